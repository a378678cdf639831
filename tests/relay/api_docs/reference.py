"""Parse docs/api.md: its headings name routes, and its `http` blocks are requests with their responses.

A block is a request line with headers and a body, then `HTTP/1.1 <status>` with headers and a body. Values are
examples, so tests compare statuses, header names, and the structure of bodies. In a structure, null is null, the first
item of a list stands for all, and a member named `…` allows members that aren't shown.
"""

import json
import re
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

REFERENCE_FILE = Path(__file__).parents[3] / "docs" / "api.md"
ROUTE_HEADING = re.compile(r"^### `(?P<method>[A-Z]+) (?P<path>/\S+)`$")
MORE_MEMBERS = "…"


@dataclass(frozen=True, kw_only=True)
class Message:
    """A request or a response. `first_line` is split at spaces."""

    first_line: list[str]
    headers: dict[str, str]
    body: str


@dataclass(frozen=True, kw_only=True)
class Example:
    """A request and its response, their line, and the route whose section they are in (None outside of sections)."""

    line: int
    route: tuple[str, str] | None
    request: Message
    response: Message

    def __str__(self) -> str:
        return f"{self.line}: {' '.join(self.request.first_line)} → {self.response.first_line[1]}"


@dataclass(frozen=True, kw_only=True)
class Reference:
    """The document: its text, the routes that have a section, and the examples."""

    text: str
    routes: list[tuple[str, str]] = field(default_factory=list)
    examples: list[Example] = field(default_factory=list)


def parse_reference(text: str) -> Reference:
    reference, route, block, start = Reference(text=text), None, None, 0
    for number, line in enumerate(text.splitlines(), start=1):
        if block is not None:
            if line == "```":
                reference.examples.append(_parse_example(block, start, route))
                block = None
            else:
                block.append(line)
        elif line == "```http":
            block, start = [], number
        elif match := ROUTE_HEADING.match(line):
            route = (match["method"], match["path"])
            reference.routes.append(route)
        elif line.startswith(("# ", "## ", "### ")):
            route = None
    return reference


def _parse_example(lines: list[str], start: int, route: tuple[str, str] | None) -> Example:
    middle = next(number for number, line in enumerate(lines) if line.startswith("HTTP/1.1 "))
    request, response = _parse_message(lines[:middle]), _parse_message(lines[middle:])
    return Example(line=start, route=route, request=request, response=response)


def _parse_message(lines: list[str]) -> Message:
    head, _, body = "\n".join(lines).strip().partition("\n\n")
    first_line, *headers = head.splitlines()
    pairs = [header.partition(": ") for header in headers]
    return Message(first_line=first_line.split(), headers={name: value for name, _, value in pairs}, body=body)


def find_differences(expected: object, actual: object, path: str = "response") -> list[str]:
    """Where the structure of `actual` differs from that of `expected`."""
    if _get_kind(expected) != _get_kind(actual):
        return [f"{path} is {_get_kind(actual)}, expected {_get_kind(expected)}"]
    if isinstance(expected, dict):
        return _find_object_differences(expected, actual, path)
    if isinstance(expected, list):
        if bool(expected) != bool(actual):
            return [f"{path} has {len(actual)} items, expected {len(expected)}"]
        items = [find_differences(expected[0], item, f"{path}[{number}]") for number, item in enumerate(actual)]
        return list(chain.from_iterable(items))
    return []


def _find_object_differences(expected: dict, actual: dict, path: str) -> list[str]:
    members = expected.keys() - {MORE_MEMBERS}
    differences = [f"{path} lacks {key}" for key in members - actual.keys()]
    if MORE_MEMBERS not in expected:
        differences += [f"{path}.{key} is not documented" for key in actual.keys() - members]
    nested = [find_differences(expected[key], actual[key], f"{path}.{key}") for key in sorted(members & actual.keys())]
    return [*differences, *chain.from_iterable(nested)]


def _get_kind(value: object) -> str:
    kinds = {type(None): "null", bool: "a boolean", str: "a string", dict: "an object", list: "an array"}
    return kinds.get(type(value), "a number")


def parse_body(body: str) -> object:
    """The body as JSON, or as text if it isn't JSON."""
    try:
        return json.loads(body)
    except ValueError:
        return body
