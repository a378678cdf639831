"""The manual of the API as something to run: its headings name routes, its `http` blocks are calls and their answers.

A block is a request line with headers and a body, `HTTP/1.1 <status>` with headers and a body. Values are examples:
compared are statuses, names of headers, and the shape of bodies. In a shape, null is null, a list's first item stands
for all, and a member named `…` says that there may be more than is shown.
"""

import json
import re
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

MANUAL = Path(__file__).parents[3] / "docs" / "api.md"
HEADING = re.compile(r"^### `(?P<method>[A-Z]+) (?P<path>/\S+)`$")
MORE = "…"


@dataclass(frozen=True, kw_only=True)
class Message:
    """A request or an answer: `first` is all of its first line."""

    first: list[str]
    headers: dict[str, str]
    body: str


@dataclass(frozen=True, kw_only=True)
class Example:
    """A call that the manual shows, the line it begins at, and the route whose section it is in (none: another's)."""

    line: int
    route: tuple[str, str] | None
    request: Message
    answer: Message

    def __str__(self) -> str:
        return f"{self.line}: {' '.join(self.request.first)} → {self.answer.first[1]}"


@dataclass(frozen=True, kw_only=True)
class Manual:
    """What can be run, and what has a section of its own."""

    text: str
    routes: list[tuple[str, str]] = field(default_factory=list)
    examples: list[Example] = field(default_factory=list)


def read_manual(text: str) -> Manual:
    manual, route, block, start = Manual(text=text), None, None, 0
    for number, line in enumerate(text.splitlines(), start=1):
        if block is not None:
            if line == "```":
                manual.examples.append(_example(block, start, route))
                block = None
            else:
                block.append(line)
        elif line == "```http":
            block, start = [], number
        elif found := HEADING.match(line):
            route = (found["method"], found["path"])
            manual.routes.append(route)
        elif line.startswith(("# ", "## ", "### ")):
            route = None
    return manual


def _example(lines: list[str], start: int, route: tuple[str, str] | None) -> Example:
    turn = next(number for number, line in enumerate(lines) if line.startswith("HTTP/1.1 "))
    return Example(line=start, route=route, request=_message(lines[:turn]), answer=_message(lines[turn:]))


def _message(lines: list[str]) -> Message:
    head, _, body = "\n".join(lines).strip().partition("\n\n")
    first, *headers = head.splitlines()
    pairs = [header.partition(": ") for header in headers]
    return Message(first=first.split(), headers={name: value for name, _, value in pairs}, body=body)


def differences(shown: object, real: object, where: str = "answer") -> list[str]:
    """Where `real` has not the shape of `shown`."""
    if _kind(shown) != _kind(real):
        return [f"{where} is {_kind(real)}, shown is {_kind(shown)}"]
    if isinstance(shown, dict):
        return _in_objects(shown, real, where)
    if isinstance(shown, list):
        if bool(shown) != bool(real):
            return [f"{where} has {len(real)} items, shown are {len(shown)}"]
        items = [differences(shown[0], item, f"{where}[{number}]") for number, item in enumerate(real)]
        return list(chain.from_iterable(items))
    return []


def _in_objects(shown: dict, real: dict, where: str) -> list[str]:
    named = {key for key in shown if key != MORE}
    faults = [f"{where} lacks {key}" for key in named - real.keys()]
    if MORE not in shown:
        faults += [f"{where}.{key} is not shown" for key in real.keys() - named]
    deeper = [differences(shown[key], real[key], f"{where}.{key}") for key in sorted(named & real.keys())]
    return [*faults, *chain.from_iterable(deeper)]


def _kind(value: object) -> str:
    kinds = {type(None): "null", bool: "a truth value", str: "a text", dict: "an object", list: "a list"}
    return kinds.get(type(value), "a number")


def as_json(body: str) -> object:
    """The body's JSON; its text when it is none."""
    try:
        return json.loads(body)
    except ValueError:
        return body
