"""docs/api.md tells the truth: every route is in it, and every example in it answers as it says."""

import json
from contextlib import aclosing

import pytest

from relay.kit.problems import TITLES
from tests.relay.api_docs.examples import MANUAL, Example, as_json, differences, read_manual
from tests.relay.support.feed import parse_events

manual = read_manual(MANUAL.read_text(encoding="utf-8"))


@pytest.mark.parametrize("example", manual.examples, ids=str)
async def test_an_example_answers_as_the_manual_says(api, example: Example):
    method, path = example.request.first
    body = example.request.body.encode() or None
    headers = {"Content-Type": "application/json"} | example.request.headers if body else example.request.headers
    if example.answer.headers.get("Content-Type") == "text/event-stream":
        await streams_as_shown(api, path, example)
        return
    answer = await api.request(method, path, headers=headers, content=body)
    assert str(answer.status_code) == example.answer.first[1], answer.text
    for name in example.answer.headers:
        assert name in answer.headers
    shown, real = as_json(example.answer.body), as_json(answer.text)
    if isinstance(shown, str) and shown:
        assert shown.splitlines()[0] in str(real).splitlines()
    else:
        assert differences(shown, real) == [], json.dumps(real, indent=1, ensure_ascii=False)


async def streams_as_shown(api, path: str, example: Example) -> None:
    shown, heard = parse_events(example.answer.body.encode()), b""
    async with api.stream("GET", path, headers=example.request.headers) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        async with aclosing(answer.aiter_bytes()) as chunks:
            async for chunk in chunks:
                heard += chunk
                if heard.endswith(b"\n\n") and len(parse_events(heard)) >= len(shown):
                    break
    for want, real in zip(shown, parse_events(heard), strict=False):
        assert (want.name, want.id is None) == (real.name, real.id is None)
        assert differences(want.data, real.data) == [], json.dumps(real.data, indent=1)


async def test_every_route_has_a_section_and_an_example_and_no_other_has(app):
    document = app.openapi()
    routes = {(method.upper(), path) for path, it in document["paths"].items() for method in it}
    assert set(manual.routes) == routes
    assert len(manual.routes) == len(routes), "a route has two sections"
    assert routes - {example.route for example in manual.examples} == set()


def test_an_example_is_about_the_route_whose_section_it_is_in():
    for example in manual.examples:
        if example.route is None:
            continue
        method, path = example.request.first
        parts, shown = example.route[1].split("/"), path.partition("?")[0].split("/")
        assert (method, len(shown)) == (example.route[0], len(parts)), str(example)
        assert all(want in (real, "{vehicle_id}", "{command_id}") for want, real in zip(parts, shown, strict=True))


@pytest.mark.parametrize("slug", TITLES)
def test_every_problem_is_explained(slug):
    assert f"| `{slug}` |" in manual.text


@pytest.mark.parametrize(
    ("shown", "real", "same"),
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
def test_shapes_are_told_apart(shown, real, same):
    assert (differences(shown, real) == []) == same
