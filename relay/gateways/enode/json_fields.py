"""Tolerant parsing of Enode's JSON: an absent, null or mistyped member is None; only ids are required."""

import json
from datetime import UTC, datetime
from enum import StrEnum
from math import isfinite
from typing import Any, Never

from relay.gateways.enode.errors import EnodeProtocolError
from relay.kit.json_object import JsonObject


def parse_json(body: bytes, operation: str) -> Any:
    """Parse `body` as JSON. NaN and numbers beyond a double (1e999) are refused: they can't be stored as JSON.

    Raises EnodeProtocolError.
    """
    try:
        return json.loads(body, parse_constant=_reject_constant, parse_float=_parse_finite_float)
    except ValueError, RecursionError:
        # `from None`: the decoder's exception contains the whole body, which must not reach a log.
        raise EnodeProtocolError(operation, fault="not JSON") from None


def _reject_constant(constant: str) -> Never:
    raise ValueError(constant)


def _parse_finite_float(digits: str) -> float:
    number = float(digits)
    if not isfinite(number):
        raise ValueError
    return number


def require_object(value: Any, operation: str) -> JsonObject:
    """Return `value`, which must be a JSON object. Raises EnodeProtocolError."""
    if not isinstance(value, dict):
        raise EnodeProtocolError(operation, fault="not a JSON object")
    return value


def require_objects(value: Any, operation: str) -> tuple[JsonObject, ...]:
    """Return `value`, which must be a JSON array of objects. Raises EnodeProtocolError."""
    if not isinstance(value, list):
        raise EnodeProtocolError(operation, fault="not a JSON array")
    return tuple(require_object(item, operation) for item in value)


def require_text(source: JsonObject, key: str, operation: str) -> str:
    """Return the non-empty text at `key`. Raises EnodeProtocolError."""
    value = parse_text(source, key)
    if not value:
        raise EnodeProtocolError(operation, fault=f"no {key}")
    return value


def parse_text(source: JsonObject, key: str) -> str | None:
    """Return the text at `key`."""
    value = source.get(key)
    return value if isinstance(value, str) else None


def parse_enum[Member: StrEnum](source: JsonObject, key: str, enum_type: type[Member]) -> Member | str | None:
    """Return the text at `key` as a member of `enum_type`, or unchanged if Enode added a value that it lacks."""
    value = parse_text(source, key)
    return enum_type(value) if value is not None and value in enum_type else value


def parse_bool(source: JsonObject, key: str) -> bool | None:
    """Return the boolean at `key`."""
    value = source.get(key)
    return value if isinstance(value, bool) else None


def parse_int(source: JsonObject, key: str) -> int | None:
    """Return the integer at `key`."""
    value = source.get(key)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def parse_float(source: JsonObject, key: str) -> float | None:
    """Return the finite number at `key`."""
    value = source.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value) if isfinite(value) else None
    except OverflowError:  # an integer of 400 digits
        return None


def parse_datetime(source: JsonObject, key: str) -> datetime | None:
    """Return the time at `key`, aware and in UTC; a time without a zone counts as UTC."""
    try:
        value = datetime.fromisoformat(parse_text(source, key) or "")
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    except ValueError, OverflowError:
        return None


def parse_object(source: JsonObject, key: str) -> JsonObject | None:
    """Return the object at `key`."""
    value = source.get(key)
    return value if isinstance(value, dict) else None


def parse_objects(source: JsonObject, key: str) -> tuple[JsonObject, ...]:
    """Return the objects in the array at `key`; other elements are left out."""
    value = source.get(key)
    return tuple(item for item in value if isinstance(item, dict)) if isinstance(value, list) else ()


def parse_texts(source: JsonObject, key: str) -> tuple[str, ...]:
    """Return the texts in the array at `key`; other elements are left out."""
    value = source.get(key)
    return tuple(item for item in value if isinstance(item, str)) if isinstance(value, list) else ()
