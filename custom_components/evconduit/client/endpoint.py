from dataclasses import dataclass, field
from enum import StrEnum
from typing import Self

from .json_reader import JsonReader


class EndpointState(StrEnum):
    """Whether the relay POSTs to the endpoint. One that fails for days is off until it is registered again."""

    ON = "on"
    OFF = "off"


@dataclass(frozen=True, kw_only=True, slots=True)
class Endpoint:
    """Where the relay POSTs to while the stream is down. Only the answer to a registration has a `secret`."""

    state: EndpointState | None
    last_failure: str | None
    secret: str | None = field(repr=False)

    @classmethod
    def parse(cls, reader: JsonReader) -> Self:
        """Parse an endpoint. Never fails."""
        return cls(
            state=reader.get_enum("state", EndpointState),
            last_failure=reader.get_str("last_failure"),
            secret=reader.get_str("secret"),
        )
