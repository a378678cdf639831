"""Examples that leave members out are completed with another example of the same schema."""

import pytest

from relay.openapi.examples import ExampleCompleter, parse_example_body
from relay.openapi.reference import Message

SCHEMAS = {
    "Car": {"properties": {"id": {"type": "string"}, "owner": {"anyOf": [{"$ref": "#/x/Owner"}, {"type": "null"}]}}},
    "Owner": {"properties": {"name": {"type": "string"}}},
}
CAR = {"$ref": "#/x/Car"}
CARS = {"type": "array", "items": CAR}
FULL = {"id": "a", "owner": {"name": "Ada", "age": 36}}


@pytest.mark.parametrize(
    ("value", "schema", "expected"),
    [
        ({"id": "b", "…": "as above"}, CAR, {**FULL, "id": "b"}),
        ([{"id": "b", "…": "…"}], CARS, [{**FULL, "id": "b"}]),
        ({"id": "b"}, CAR, {"id": "b"}),
        ({"id": "b", "owner": None}, CAR, {"id": "b", "owner": None}),
        ({"id": "b", "owner": {"name": "Bo", "…": "…"}}, CAR, {"id": "b", "owner": {"name": "Bo", "age": 36}}),
        ({"x": 1, "…": "what Enode adds"}, {"type": "object"}, {"x": 1}),
        ({"x": {"y": 1, "…": "…"}}, {}, {"x": {"y": 1}}),
        (None, CAR, None),
        ("text", {"type": "string"}, "text"),
    ],
)
def test_an_example_is_completed(value, schema, expected):
    completer = ExampleCompleter(SCHEMAS)
    completer.learn([{"id": "z", "…": "…"}, FULL], CARS)
    assert completer.complete(value, schema) == expected


def test_the_first_complete_example_counts():
    completer = ExampleCompleter(SCHEMAS)
    completer.learn({"name": "first"}, {"$ref": "#/x/Owner"})
    completer.learn({"name": "second"}, {"$ref": "#/x/Owner"})
    assert completer.complete({"…": "…"}, {"$ref": "#/x/Owner"}) == {"name": "first"}


@pytest.mark.parametrize(
    ("headers", "body", "expected"),
    [
        ({}, '{"a": [1]}', {"a": [1]}),
        ({}, "# HELP x", "# HELP x"),
        ({"Content-Type": "application/x-www-form-urlencoded"}, "a=1&b=x%20y", {"a": "1", "b": "x y"}),
    ],
)
def test_a_body_is_json_a_form_or_text(headers, body, expected):
    assert parse_example_body(Message(first_line=["GET", "/"], headers=headers, body=body)) == expected
