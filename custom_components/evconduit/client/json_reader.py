import math
from collections.abc import Iterator
from datetime import UTC, datetime
from enum import StrEnum

type Json = dict[str, Json] | list[Json] | str | int | float | bool | None
type JsonObject = dict[str, Json]


class MalformedError(ValueError):
    """A message lacks a required member. The text names the member, never a value."""

    def __init__(self, key: str) -> None:
        super().__init__(f"{key} is missing or of the wrong type")
        self.key = key


class JsonReader:
    """Typed access to a JSON object. A member that is missing, null or of another type reads as None.

    The `require_` methods raise MalformedError instead.
    """

    __slots__ = ("values",)

    def __init__(self, value: Json) -> None:
        self.values: JsonObject = value if isinstance(value, dict) else {}

    def get_str(self, key: str) -> str | None:
        """Return a string that isn't empty."""
        value = self.values.get(key)
        return value if isinstance(value, str) and value else None

    def get_number(self, key: str) -> float | None:
        """Return a finite number. Integers stay int, so that 57 is not shown as 57.0."""
        value = self.values.get(key)
        if isinstance(value, bool) or not isinstance(value, int | float):
            return None
        return value if math.isfinite(value) else None

    def get_int(self, key: str) -> int | None:
        """Return an integer, also one written as a float."""
        value = self.get_number(key)
        return int(value) if value is not None and value == int(value) else None

    def get_bool(self, key: str) -> bool | None:
        """Return true or false."""
        value = self.values.get(key)
        return value if isinstance(value, bool) else None

    def get_datetime(self, key: str) -> datetime | None:
        """Return an RFC 3339 time in UTC. A time without an offset is taken as UTC."""
        try:
            value = datetime.fromisoformat(self.get_str(key) or "")
            return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
        except ValueError, OverflowError:
            return None

    def get_enum[E: StrEnum](self, key: str, options: type[E]) -> E | None:
        """Return a member of `options`. A value added in a later version reads as None."""
        value = self.get_str(key)
        return options(value) if value is not None and value in options else None

    def get_object(self, key: str) -> JsonReader:
        """Return a nested object, empty if there is none."""
        return JsonReader(self.values.get(key))

    def get_str_list(self, key: str) -> tuple[str, ...]:
        """Return the strings of a list."""
        value = self.values.get(key)
        return tuple(item for item in value if isinstance(item, str)) if isinstance(value, list) else ()

    def get_objects(self, key: str) -> Iterator[JsonReader]:
        """Return the objects of a list, without items of another type; none if there is no list."""
        value = self.values.get(key)
        return (JsonReader(item) for item in value if isinstance(item, dict)) if isinstance(value, list) else iter(())

    def require_str(self, key: str) -> str:
        """Return a string that isn't empty. Raises MalformedError."""
        if (value := self.get_str(key)) is None:
            raise MalformedError(key)
        return value

    def require_int(self, key: str) -> int:
        """Return an integer. Raises MalformedError."""
        if (value := self.get_int(key)) is None:
            raise MalformedError(key)
        return value

    def require_number(self, key: str) -> float:
        """Return a finite number. Raises MalformedError."""
        if (value := self.get_number(key)) is None:
            raise MalformedError(key)
        return value

    def require_datetime(self, key: str) -> datetime:
        """Return an RFC 3339 time in UTC. Raises MalformedError."""
        if (value := self.get_datetime(key)) is None:
            raise MalformedError(key)
        return value

    def require_object(self, key: str) -> JsonReader:
        """Return a nested object. Raises MalformedError."""
        if not isinstance(self.values.get(key), dict):
            raise MalformedError(key)
        return self.get_object(key)

    def require_object_list(self, key: str) -> Iterator[JsonReader]:
        """Return the objects of a list. Raises MalformedError, also if an item is not an object."""
        value = self.values.get(key)
        if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
            raise MalformedError(key)
        return map(JsonReader, value)
