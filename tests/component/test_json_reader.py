"""Typed access to JSON: what is missing, null or of another type reads as None, or raises if it is required."""

import math
from datetime import UTC, datetime
from enum import StrEnum

import pytest

from custom_components.evconduit.client import JsonReader, MalformedError


class Colour(StrEnum):
    RED = "red"
    BLUE = "Blue"


def read(method: str, value: object, *arguments: object) -> object:
    return getattr(JsonReader({"key": value, "other": "other"}), method)("key", *arguments)


SAMPLES = {"null": None, "bool": True, "number": 1, "text": "text", "list": [{}], "object": {"key": "text"}}


@pytest.mark.parametrize(
    ("method", "value", "expected"),
    [
        ("get_str", "a", "a"),
        ("get_str", " ", " "),
        ("get_str", "", None),
        ("get_number", 0, 0),
        ("get_number", -57, -57),
        ("get_number", 57.5, 57.5),
        ("get_number", math.nan, None),
        ("get_number", math.inf, None),
        ("get_number", -math.inf, None),
        ("get_number", "57", None),
        ("get_int", 0, 0),
        ("get_int", 3.0, 3),
        ("get_int", -3, -3),
        ("get_int", 3.5, None),
        ("get_int", math.inf, None),
        ("get_int", "3", None),
        ("get_bool", True, True),
        ("get_bool", False, False),
        ("get_bool", "true", None),
        ("get_datetime", "2026-11-20T18:04:11.250Z", datetime(2026, 11, 20, 18, 4, 11, 250_000, UTC)),
        ("get_datetime", "2026-11-20T19:04:11+01:00", datetime(2026, 11, 20, 18, 4, 11, tzinfo=UTC)),
        ("get_datetime", "2026-11-20T13:34:11-04:30", datetime(2026, 11, 20, 18, 4, 11, tzinfo=UTC)),
        ("get_datetime", "2026-11-20T18:04:11", datetime(2026, 11, 20, 18, 4, 11, tzinfo=UTC)),
        ("get_datetime", "0001-01-01T00:00:00+10:00", None),
        ("get_datetime", "9999-12-31T23:59:59-10:00", None),
        ("get_datetime", "yesterday", None),
        ("get_datetime", 1_700_000_000, None),
        ("get_str_list", [], ()),
        ("get_str_list", ["a", 1, None, ["b"], "", "c"], ("a", "", "c")),
        ("get_str_list", "abc", ()),
        ("get_str_list", {"a": 1}, ()),
        ("require_str", "a", "a"),
        ("require_int", 0, 0),
        ("require_int", 3.0, 3),
    ],
)
def test_value_is_read(method: str, value: object, expected: object):
    result = read(method, value)
    assert result == expected
    assert type(result) is type(expected)  # true is no number, and 57 is not shown as 57.0


@pytest.mark.parametrize(
    ("method", "accepted"),
    [
        ("get_str", "text"),
        ("get_number", "number"),
        ("get_int", "number"),
        ("get_bool", "bool"),
        ("get_datetime", None),
        ("require_str", "text"),
        ("require_int", "number"),
        ("require_object", "object"),
        ("require_object_list", "list"),
    ],
)
def test_value_of_another_type_reads_as_none_or_raises(method: str, accepted: str | None):
    for value in [value for name, value in SAMPLES.items() if name != accepted]:
        if method.startswith("require_"):
            with pytest.raises(MalformedError, match=r"^key is missing or of the wrong type$"):
                read(method, value)
        else:
            assert read(method, value) is None


@pytest.mark.parametrize("method", ["get_str", "get_number", "get_int", "get_bool", "get_datetime"])
def test_missing_value_reads_as_none(method: str):
    assert getattr(JsonReader({}), method)("key") is None
    assert JsonReader({}).get_enum("key", Colour) is None
    assert JsonReader({}).get_str_list("key") == ()
    assert JsonReader({}).get_object("key").values == {}


@pytest.mark.parametrize("method", ["require_str", "require_int", "require_object", "require_object_list"])
def test_missing_value_raises_if_it_is_required(method: str):
    with pytest.raises(MalformedError, match=r"^key is missing or of the wrong type$") as raised:
        getattr(JsonReader({"other": 1}), method)("key")
    assert raised.value.key == "key"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        *[("red", Colour.RED), ("Blue", Colour.BLUE), ("blue", None), ("RED", None), ("green", None)],
        *[("", None), (None, None), (1, None), (["red"], None)],
    ],
)
def test_unknown_option_reads_as_none(value: object, expected: Colour | None):
    assert read("get_enum", value, Colour) is expected


@pytest.mark.parametrize("value", [None, True, 1, "text", [], [{"a": 1}]])
def test_reader_of_another_type_is_empty(value: object):
    assert JsonReader(value).values == {}
    assert read("get_object", value).values == {}


def test_objects_are_read():
    assert read("get_object", {"a": 1}).values == {"a": 1}
    assert read("require_object", {"a": 1}).values == {"a": 1}
    assert read("require_object", {}).values == {}
    assert [reader.values for reader in read("require_object_list", [{"a": 1}, {}])] == [{"a": 1}, {}]
    assert list(read("require_object_list", [])) == []


@pytest.mark.parametrize("items", [[None], [{}, 1], [[]], ["text"]])
def test_list_with_another_type_is_rejected(items: list[object]):
    with pytest.raises(MalformedError, match=r"^key "):
        read("require_object_list", items)
