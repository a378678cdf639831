import math
from collections.abc import Iterator
from datetime import UTC, datetime
from enum import StrEnum

type Json = dict[str, Json] | list[Json] | str | int | float | bool | None
type JsonObject = dict[str, Json]


class MalformedError(ValueError):
    """A message lacks something without which it means nothing. Names the key, never a value."""

    def __init__(self, key: str) -> None:
        super().__init__(f"{key} is missing or of the wrong type")
        self.key = key


class Fields:
    """A JSON object read with distrust: what is absent, null, or of another type than asked for is None."""

    __slots__ = ("values",)

    def __init__(self, value: Json) -> None:
        self.values: JsonObject = value if isinstance(value, dict) else {}

    def text(self, key: str) -> str | None:
        """A string that says something."""
        value = self.values.get(key)
        return value if isinstance(value, str) and value else None

    def number(self, key: str) -> float | None:
        """A finite number; whole ones stay int, so that 57 is not shown as 57.0."""
        value = self.values.get(key)
        if isinstance(value, bool) or not isinstance(value, int | float):
            return None
        return value if math.isfinite(value) else None

    def whole(self, key: str) -> int | None:
        """A whole number."""
        value = self.number(key)
        return int(value) if value is not None and value == int(value) else None

    def flag(self, key: str) -> bool | None:
        """True or false, said outright."""
        value = self.values.get(key)
        return value if isinstance(value, bool) else None

    def time(self, key: str) -> datetime | None:
        """An RFC 3339 time, as aware UTC. Without an offset it counts as UTC."""
        try:
            value = datetime.fromisoformat(self.text(key) or "")
            return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
        except ValueError, OverflowError:
            return None

    def choice[E: StrEnum](self, key: str, options: type[E]) -> E | None:
        """One of the words we know; a word from the future is None."""
        value = self.text(key)
        return options(value) if value is not None and value in options else None

    def fields(self, key: str) -> Fields:
        """An object inside; an empty one when there is none."""
        return Fields(self.values.get(key))

    def texts(self, key: str) -> tuple[str, ...]:
        """The strings of a list."""
        value = self.values.get(key)
        return tuple(it for it in value if isinstance(it, str)) if isinstance(value, list) else ()

    def needed_text(self, key: str) -> str:
        """A string that must be there. Raises MalformedError."""
        if (value := self.text(key)) is None:
            raise MalformedError(key)
        return value

    def needed_whole(self, key: str) -> int:
        """A whole number that must be there. Raises MalformedError."""
        if (value := self.whole(key)) is None:
            raise MalformedError(key)
        return value

    def needed_fields(self, key: str) -> Fields:
        """An object that must be there. Raises MalformedError."""
        if not isinstance(self.values.get(key), dict):
            raise MalformedError(key)
        return self.fields(key)

    def needed_list(self, key: str) -> Iterator[Fields]:
        """The objects of a list that must be there. Raises MalformedError, also for an item that is no object."""
        value = self.values.get(key)
        if not isinstance(value, list) or not all(isinstance(it, dict) for it in value):
            raise MalformedError(key)
        return map(Fields, value)
