"""Each parser with every type of JSON value: a member of another type is None, and required ones are an error."""

from datetime import UTC, datetime
from enum import StrEnum

import pytest

from relay.gateways.enode.errors import EnodeProtocolError
from relay.gateways.enode.json_fields import (
    parse_bool,
    parse_datetime,
    parse_enum,
    parse_float,
    parse_int,
    parse_json,
    parse_object,
    parse_objects,
    parse_text,
    parse_texts,
    require_object,
    require_objects,
    require_text,
)

VALUES = [None, True, False, 0, 7, -1, 1.5, "", "text", [], ["a", 1, {}, None], {}, {"a": 1}]


def select(*kept):
    """What a parser returns for each of VALUES that keeps only these, by identity of type and value."""
    return [
        value if any(value is k or (type(value) is type(k) and value == k) for k in kept) else None for value in VALUES
    ]


@pytest.mark.parametrize(
    ("parse", "expected"),
    [
        (parse_text, select("", "text")),
        (parse_bool, select(True, False)),
        (parse_int, select(0, 7, -1)),
        (parse_object, select({}, {"a": 1})),
        (parse_objects, [({},) if isinstance(value, list) and value else () for value in VALUES]),
        (parse_texts, [("a",) if isinstance(value, list) and value else () for value in VALUES]),
    ],
)
def test_member_of_another_type_is_left_out(parse, expected):
    parsed = [parse({"key": value, "other": "x"}, "key") for value in VALUES]
    assert parsed == expected
    assert [type(value) for value in parsed] == [type(value) for value in expected]
    assert parse({}, "key") == expected[0]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (7, 7.0),
        (0, 0.0),
        (-1.5, -1.5),
        (True, None),
        ("7", None),
        (float("inf"), None),
        (float("nan"), None),
        (10**400, None),
    ],
)
def test_number_is_finite(value, expected):
    parsed = parse_float({"key": value}, "key")
    assert parsed == expected
    assert parsed is None or type(parsed) is float


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-02-28T23:30:00Z", datetime(2026, 2, 28, 23, 30, tzinfo=UTC)),
        ("2026-03-01T00:30:00+01:00", datetime(2026, 2, 28, 23, 30, tzinfo=UTC)),
        ("2026-02-28T23:30:00", datetime(2026, 2, 28, 23, 30, tzinfo=UTC)),
        ("2026-02-28", datetime(2026, 2, 28, tzinfo=UTC)),
        ("2026-02-29T00:00:00Z", None),
        ("9999-12-31T23:59:59-01:00", None),
        ("soon", None),
        ("", None),
        (5, None),
        (None, None),
    ],
)
def test_time_is_aware_and_in_utc(text, expected):
    parsed = parse_datetime({"key": text}, "key")
    assert parsed == expected
    assert parsed is None or parsed.tzinfo is UTC


class Color(StrEnum):
    RED = "red"


@pytest.mark.parametrize(
    ("value", "expected", "kind"),
    [("red", Color.RED, Color), ("blue", "blue", str), ("", "", str), (1, None, type(None))],
)
def test_unknown_enum_value_stays_text(value, expected, kind):
    parsed = parse_enum({"key": value}, "key", Color)
    assert (parsed, type(parsed)) == (expected, kind)


@pytest.mark.parametrize(
    "body", [b"", b"{", b"NaN", b"[Infinity]", b"[-Infinity]", b"1e999", b"-1e999", b"\xff", b"[" * 100_000]
)
def test_body_that_is_not_storable_json_is_a_protocol_error(body):
    with pytest.raises(EnodeProtocolError) as raised:
        parse_json(body, "GET /x")
    assert (raised.value.fault, raised.value.operation) == ("not JSON", "GET /x")
    assert raised.value.__cause__ is None
    assert raised.value.__suppress_context__


def test_json_is_parsed():
    assert parse_json(b'{"a": [1, 1.5, 1e308, true, null, "x"]}', "x") == {"a": [1, 1.5, 1e308, True, None, "x"]}


@pytest.mark.parametrize(
    ("require", "value", "fault"),
    [
        (require_object, [], "not a JSON object"),
        (require_object, None, "not a JSON object"),
        (require_objects, {}, "not a JSON array"),
        (require_objects, None, "not a JSON array"),
        (require_objects, [{}, 1], "not a JSON object"),
    ],
)
def test_value_of_another_shape_is_a_protocol_error(require, value, fault):
    with pytest.raises(EnodeProtocolError) as raised:
        require(value, "GET /x")
    assert (raised.value.fault, raised.value.operation) == (fault, "GET /x")


def test_values_of_the_required_shape_are_returned():
    assert require_object({"a": 1}, "x") == {"a": 1}
    assert require_objects([{"a": 1}, {}], "x") == ({"a": 1}, {})
    assert require_text({"a": "b"}, "a", "x") == "b"
