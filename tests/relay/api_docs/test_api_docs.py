"""docs/api.md is complete and true: it describes every route, and each of its examples gets the response it shows."""

import json
from contextlib import aclosing

import pytest

from relay.kit.problems import TITLES
from relay.openapi.reference import Example, load_reference
from tests.relay.api_docs.structures import find_differences, parse_body
from tests.relay.support.feed import parse_events

reference = load_reference()


@pytest.mark.parametrize("example", reference.examples, ids=str)
async def test_an_example_gets_the_response_it_shows(api, example: Example):
    method, path = example.request.first_line
    body = example.request.body.encode() or None
    headers = {"Content-Type": "application/json"} | example.request.headers if body else example.request.headers
    if example.response.headers.get("Content-Type") == "text/event-stream":
        await check_stream(api, path, example)
        return
    response = await api.request(method, path, headers=headers, content=body)
    assert str(response.status_code) == example.response.first_line[1], response.text
    for name in example.response.headers:
        assert name in response.headers
    expected, actual = parse_body(example.response.body), parse_body(response.text)
    if isinstance(expected, str) and expected:
        assert expected.splitlines()[0] in str(actual).splitlines()
    else:
        assert find_differences(expected, actual) == [], json.dumps(actual, indent=1, ensure_ascii=False)
    if response.headers.get("content-type") == "application/problem+json":
        texts = ("type", "title", "detail")
        assert [actual[key] for key in texts] == [expected[key] for key in texts]


async def check_stream(api, path: str, example: Example) -> None:
    expected_events, received = parse_events(example.response.body.encode()), b""
    async with api.stream("GET", path, headers=example.request.headers) as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        async with aclosing(response.aiter_bytes()) as chunks:
            async for chunk in chunks:
                received += chunk
                if received.endswith(b"\n\n") and len(parse_events(received)) >= len(expected_events):
                    break
    for expected, actual in zip(expected_events, parse_events(received), strict=False):
        assert (expected.name, expected.id is None) == (actual.name, actual.id is None)
        assert find_differences(expected.data, actual.data) == [], json.dumps(actual.data, indent=1)


async def test_exactly_the_existing_routes_have_a_section_and_each_has_an_example(app):
    document = app.openapi()
    routes = {(method.upper(), path) for path, methods in document["paths"].items() for method in methods}
    assert set(reference.routes) == routes
    assert len(reference.routes) == len(routes), "a route has two sections"
    assert routes - {example.route for example in reference.examples} == set()


def test_an_example_requests_the_route_of_its_section():
    for example in reference.examples:
        if example.route is None:
            continue
        method, path = example.request.first_line
        expected, actual = example.route[1].split("/"), path.partition("?")[0].split("/")
        assert (method, len(actual)) == (example.route[0], len(expected)), str(example)
        assert all(
            part in (value, "{vehicle_id}", "{command_id}", "{session_id}")
            for part, value in zip(expected, actual, strict=True)
        )


@pytest.mark.parametrize("slug", TITLES)
def test_every_problem_is_in_the_table_of_errors(slug):
    assert f"| `{slug}` |" in reference.text


@pytest.mark.parametrize(
    ("expected", "actual", "is_same"),
    [
        ({"a": 1}, {"a": 2.5}, True),
        ({"a": 1}, {"a": None}, False),
        ({"a": None}, {"a": "x"}, False),
        ({"a": True}, {"a": 1}, False),
        ({"a": 1}, {"a": 1, "b": 1}, False),
        ({"a": 1, "…": "…"}, {"a": 1, "b": 1}, True),
        ({"a": 1, "b": 2}, {"a": 1}, False),
        ([{"a": 1}], [{"a": 1}, {"a": "x"}], False),
        ([{"a": 1}], [], False),
        ([], [1], False),
        ([], [], True),
    ],
)
def test_structures_are_compared_by_members_and_kinds(expected, actual, is_same):
    assert (find_differences(expected, actual) == []) == is_same
