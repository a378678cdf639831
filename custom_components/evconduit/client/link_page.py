"""The relay's one-time pages on which a user links vehicles."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Self

from .json_reader import JsonReader, MalformedError


class LinkResultState(StrEnum):
    """How linking through a page ended, if it has. A page that isn't used any more expires."""

    WAITING = "waiting"
    LINKED = "linked"
    CANCELLED = "cancelled"
    FAILED = "failed"
    EXPIRED = "expired"


@dataclass(frozen=True, kw_only=True, slots=True)
class LinkPage:
    """A page to open in a browser. Anyone with its `url` can use it, once.

    `id` gives access to the result only. None for a relay that reports none.
    """

    id: str | None
    url: str = field(repr=False)

    @classmethod
    def parse(cls, reader: JsonReader) -> Self:
        """Parse the object. Raises MalformedError."""
        url = reader.require_str("url")
        if not url.startswith(("https://", "http://")):
            raise MalformedError("url")  # the user's browser opens it: never a javascript: URL
        return cls(id=reader.get_str("link_id"), url=url)


@dataclass(frozen=True, kw_only=True, slots=True)
class LinkResult:
    """The result of a page. `state` is None for a value added in a later version. `vehicle_names` may follow later."""

    state: LinkResultState | None
    vehicle_names: tuple[str, ...]

    @classmethod
    def parse(cls, reader: JsonReader) -> Self:
        """Parse the object. Never fails."""
        items = reader.values.get("vehicles")
        readers = [JsonReader(item) for item in items if isinstance(item, dict)] if isinstance(items, list) else []
        return cls(
            state=reader.get_enum("state", LinkResultState),
            vehicle_names=tuple(name for reader in readers if (name := reader.get_str("name"))),
        )
