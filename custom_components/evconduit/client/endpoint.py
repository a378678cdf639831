from dataclasses import dataclass, field
from enum import StrEnum
from typing import Self

from .fields import Fields


class EndpointState(StrEnum):
    """Whether the relay still POSTs to it. What fails for days is switched off, until it is registered again."""

    ON = "on"
    OFF = "off"


@dataclass(frozen=True, kw_only=True, slots=True)
class Endpoint:
    """Where the relay POSTs to while there is no stream. `secret` is told only to who registers it."""

    state: EndpointState | None
    last_failure: str | None
    secret: str | None = field(repr=False)

    @classmethod
    def parse(cls, it: Fields) -> Self:
        """Never fails."""
        return cls(
            state=it.choice("state", EndpointState), last_failure=it.text("last_failure"), secret=it.text("secret")
        )
