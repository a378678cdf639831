"""Parse docs/api.md: its headings name routes, and its `http` blocks are requests with their responses.

A chapter is a heading of level 1 or 2, a section is a heading of level 3 that names a route. A section begins with its
summary in bold, and has a paragraph `Errors:` if the route has problems of its own. A `json` block in it is the body of
a successful response that no `http` block shows. An `http` block is a request line with
headers and a body, then `HTTP/1.1 <status>` with headers and a body.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import override

# In a wheel the file is inside the package, in a checkout beside it (see pyproject.toml).
_PACKAGE = Path(__file__).parent.parent
_PLACES = (_PACKAGE / "web" / "api.md", _PACKAGE.parent / "docs" / "api.md")

CHAPTER_HEADING = re.compile(r"^(?P<level>#{1,2}) (?P<title>.+)$")
ROUTE_HEADING = re.compile(r"^### `(?P<method>[A-Z]+) (?P<path>/\S+)`$")
FENCE = "```"
EXAMPLE_FENCE = "```http"
BODY_FENCE = "```json"
SUMMARY = re.compile(r"\*\*(?P<summary>.+?)\.\*\*\s*(?P<rest>.*)", re.DOTALL)
ERRORS_PREFIX = "Errors: "
PROBLEM_ROW = re.compile(r"^\| `(?P<slug>[a-z-]+)` \| (?P<status>\d{3}) \| (?P<meaning>.+) \|$")
PARAMETER_ROW = re.compile(r"^\| `(?P<name>[A-Za-z_-]+)` \| (?P<meaning>.+) \|$")
LOCAL_LINK = re.compile(r"\[(?P<text>[^\]]+)\]\((?!https?:)[^)]+\)")

type Route = tuple[str, str]
"""Method and path of a route."""


@dataclass(frozen=True, kw_only=True)
class Message:
    """A request or a response. `first_line` is split at spaces."""

    first_line: Sequence[str]
    headers: Mapping[str, str]
    body: str


@dataclass(frozen=True, kw_only=True)
class Example:
    """A request and its response, their line, and the route whose section they are in (None outside of sections)."""

    line: int
    route: Route | None
    request: Message
    response: Message

    @override
    def __str__(self) -> str:
        return f"{self.line}: {' '.join(self.request.first_line)} → {self.response.first_line[1]}"


@dataclass(frozen=True, kw_only=True)
class Section:
    """What the document says about a route. `errors` are the slugs of its own problems.

    `body` is that of a successful response, as text, or empty if `http` blocks show one.
    """

    chapter: str
    summary: str
    description: str
    errors: Sequence[str]
    body: str


@dataclass(frozen=True, kw_only=True)
class ProblemType:
    """The usual status of a problem, and what it means."""

    status: int
    meaning: str


@dataclass(frozen=True, kw_only=True)
class Reference:
    """The document: its text, the routes that have a section, and the examples.

    `chapters` has the text of each chapter up to its next heading, `parameters` the meaning of each parameter.
    """

    text: str
    routes: list[Route] = field(default_factory=list)
    examples: list[Example] = field(default_factory=list)
    sections: dict[Route, Section] = field(default_factory=dict)
    chapters: dict[str, str] = field(default_factory=dict)
    problems: dict[str, ProblemType] = field(default_factory=dict)
    parameters: dict[str, str] = field(default_factory=dict)


@cache
def load_reference() -> Reference:
    """Return the parsed docs/api.md."""
    return parse_reference(next(place for place in _PLACES if place.exists()).read_text(encoding="utf-8"))


def parse_reference(text: str) -> Reference:
    """Parse a document in the format that the module describes."""
    reference = Reference(text=text)
    chapter, route = "", None
    lines: list[str] = []
    for number, part in _split_parts(text):
        if part.startswith(EXAMPLE_FENCE):
            reference.examples.append(_parse_example(part.splitlines()[1:-1], number, route))
        elif (heading := ROUTE_HEADING.match(part)) or (chapter_heading := CHAPTER_HEADING.match(part)):
            _finish_text(reference, chapter, route, lines)
            lines = []
            if heading:
                route = (heading["method"], heading["path"])
                reference.routes.append(route)
            elif chapter_heading:
                chapter, route = chapter_heading["title"], None
        else:
            lines.append(part)
    _finish_text(reference, chapter, route, lines)
    return reference


def _split_parts(text: str) -> list[tuple[int, str]]:
    """Lines with their numbers; a fenced block is one part."""
    parts: list[tuple[int, str]] = []
    block: list[str] = []
    start = 0
    for number, line in enumerate(text.splitlines(), start=1):
        if block:
            block.append(line)
            if line.strip() == FENCE:
                parts.append((start, "\n".join(block)))
                block = []
        elif line.lstrip().startswith(FENCE):
            block, start = [line], number
        else:
            parts.append((number, line))
    return parts


def _finish_text(reference: Reference, chapter: str, route: Route | None, lines: Sequence[str]) -> None:
    text = "\n".join(lines).strip()
    if route is not None:
        reference.sections[route] = _parse_section(chapter, text)
        return
    reference.chapters[chapter] = _remove_local_links(text)
    for line in lines:
        if row := PROBLEM_ROW.match(line):
            reference.problems[row["slug"]] = ProblemType(status=int(row["status"]), meaning=row["meaning"])
        elif chapter == "Parameters" and (row := PARAMETER_ROW.match(line)):
            reference.parameters[row["name"]] = row["meaning"]


def _parse_section(chapter: str, text: str) -> Section:
    paragraphs = text.split("\n\n")
    errors = [slug for part in paragraphs if part.startswith(ERRORS_PREFIX) for slug in re.findall(r"`([^`]+)`", part)]
    bodies = [part for part in paragraphs if part.startswith(BODY_FENCE)]
    description = "\n\n".join(part for part in paragraphs if not part.startswith(ERRORS_PREFIX) and part not in bodies)
    match = SUMMARY.match(description)
    return Section(
        chapter=chapter,
        summary=match["summary"] if match else "",
        description=_remove_local_links(match["rest"] if match else description),
        errors=errors,
        body="".join(body.removeprefix(BODY_FENCE).removesuffix(FENCE).strip() for body in bodies),
    )


def _remove_local_links(text: str) -> str:
    """The text with links to other documents replaced by their texts: a relay serves only this document."""
    return LOCAL_LINK.sub(r"\g<text>", text)


def _parse_example(lines: Sequence[str], start: int, route: Route | None) -> Example:
    middle = next(number for number, line in enumerate(lines) if line.startswith("HTTP/1.1 "))
    request, response = _parse_message(lines[:middle]), _parse_message(lines[middle:])
    return Example(line=start, route=route, request=request, response=response)


def _parse_message(lines: Sequence[str]) -> Message:
    head, _, body = "\n".join(lines).strip().partition("\n\n")
    first_line, *headers = head.splitlines()
    pairs = [header.partition(": ") for header in headers]
    return Message(first_line=first_line.split(), headers={name: value for name, _, value in pairs}, body=body)
