"""Build the OpenAPI document. The routes declare parameters and schemas, docs/api.md has everything that is prose.

So each fact is written once, and the tests that send the examples of docs/api.md check those of the document too.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from copy import deepcopy
from itertools import groupby
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import iter_route_contexts

from relay.kit.json_object import JsonObject
from relay.kit.problem_responses import PROBLEM_CONTENT_TYPE, PROBLEM_SCHEMA
from relay.kit.problems import TITLES, TYPE_PREFIX
from relay.openapi.examples import ExampleCompleter, parse_example_body
from relay.openapi.reference import Example, Reference, Route, load_reference

INTRODUCTION = ("Get started", "Credentials", "Conventions", "What it costs")
"""Chapters of docs/api.md that introduce the document."""
UNREADABLE_BODY_STATUS = 400
"""What FastAPI answers to a JSON body that isn't text in UTF-8. Text that isn't JSON gets 422."""
ROUTES_WITHOUT_DATABASE = frozenset({"/api/health/live", "/.well-known/oauth-authorization-server"})
CREDENTIAL_HEADERS = frozenset({"authorization", "x-internal-api-key"})
"""Headers that are shown as ways to authenticate, not as parameters. OpenAPI ignores a parameter `Authorization`."""
INTERNAL_KEY: JsonObject = {
    "type": "apiKey",
    "in": "header",
    "name": "X-Internal-API-Key",
    "description": "The operator's key, the value of EVCONDUIT_INTERNAL_API_KEY.",
}
SUCCESS_DESCRIPTIONS: Mapping[str, str] = {
    "200": "Success.",
    "202": "Accepted. The outcome follows.",
    "204": "Success. The response has no body.",
}
JSON_CONTENT_TYPE = "application/json"
PLAIN_SCHEMA_MEMBERS = frozenset({"type", "title", "description", "anyOf", "default"})
"""Members of a string's schema that refuse no value."""

type Document = dict[str, Any]

_documents: dict[tuple[Route, ...], Document] = {}


def get_openapi_document(app: FastAPI) -> Document:
    """Return the document of the app's routes. It's built once in a process for all apps with the same routes."""
    routes = iter_route_contexts(app.routes)
    key = tuple((method, route.path or "") for route in routes for method in sorted(route.methods or ()))
    if key not in _documents:
        _documents[key] = build_document(app, load_reference())
    return _documents[key]


def build_document(app: FastAPI, reference: Reference) -> Document:
    """Build the document of the app's routes with the texts of `reference`."""
    generated = get_openapi(
        title=app.title,
        version=app.version,
        openapi_version=app.openapi_version,
        description=_describe_api(reference),
        routes=app.routes,
    )
    document: Document = deepcopy(generated)
    components = document.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    schemas["Problem"] = PROBLEM_SCHEMA
    completer = _create_completer(document, reference)
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            _describe_operation(operation, (method.upper(), path), reference, completer)
    if any({"InternalKey": []} in operation.get("security", ()) for _, operation in _list_operations(document)):
        components.setdefault("securitySchemes", {})["InternalKey"] = INTERNAL_KEY
    document["paths"] = _sort_paths(document["paths"], reference)
    document["tags"] = _list_tags(document, reference)
    return document


def _describe_api(reference: Reference) -> str:
    return "\n\n".join(f"## {chapter}\n\n{reference.chapters[chapter]}" for chapter in INTRODUCTION)


def _create_completer(document: Document, reference: Reference) -> ExampleCompleter:
    """A completer that knows all objects that the examples show completely."""
    completer = ExampleCompleter(document["components"]["schemas"])
    operations = dict(_list_operations(document))
    for example in reference.examples:
        operation = operations.get(example.route) if example.route else None
        content = _find_response_content(operation, example) if operation else None
        if content is not None:
            completer.learn(parse_example_body(example.response), content.get("schema", {}))
    return completer


def _list_operations(document: Document) -> Iterable[tuple[Route, Document]]:
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            yield (method.upper(), path), operation


def _describe_operation(operation: Document, route: Route, reference: Reference, completer: ExampleCompleter) -> None:
    """Add the section of the route to the operation. A route without a section keeps what it declares."""
    section = reference.sections.get(route)
    if section is None:
        return
    operation |= {"summary": section.summary, "description": section.description, "tags": [section.chapter]}
    _move_credentials(operation)
    for parameter in operation.get("parameters", ()):
        # Header names are case-insensitive; the document shows them as docs/api.md does.
        names = {name.lower(): name for name in reference.parameters}
        parameter["name"] = names.get(parameter["name"], parameter["name"])
        parameter["description"] = reference.parameters.get(parameter["name"], "")
    responses = operation["responses"]
    responses.pop("default", None)
    for status, response in responses.items():
        response["description"] = SUCCESS_DESCRIPTIONS.get(status, response["description"])
    for status, response in _build_problem_responses(operation, route, reference).items():
        responses.setdefault(status, response)
    for example in reference.examples:
        if example.route == route:
            _add_example(operation, route, example, completer)
    if section.body:
        success = next(response for status, response in responses.items() if status in SUCCESS_DESCRIPTIONS)
        for content in success["content"].values():
            content["example"] = json.loads(section.body)
    operation["responses"] = dict(sorted(responses.items()))


def _move_credentials(operation: Document) -> None:
    """Replace header parameters that carry a credential by the ways to authenticate that they stand for."""
    parameters = operation.get("parameters", [])
    others = [parameter for parameter in parameters if parameter["name"].lower() not in CREDENTIAL_HEADERS]
    if len(others) < len(parameters):
        operation |= {"parameters": others, "security": [{"InternalKey": []}]}


def _list_problem_slugs(operation: Document, route: Route, reference: Reference) -> Iterable[str]:
    """Slugs of the problems of a route: those of its section, and what follows from its declaration."""
    yield from reference.sections[route].errors
    if any("Bearer" in scheme for scheme in operation.get("security", ())):
        yield from ("unauthorized", "forbidden", "account-disabled")
    parameters = operation.get("parameters", ())
    if any(parameter["in"] == "path" for parameter in parameters):
        yield "not-found"
    if "requestBody" in operation:
        yield "too-large"
    if JSON_CONTENT_TYPE in operation.get("requestBody", {}).get("content", {}) or any(map(_is_limited, parameters)):
        yield "invalid-request"
    if route[1] not in ROUTES_WITHOUT_DATABASE:
        yield "unavailable"
    yield "internal"


def _is_limited(parameter: JsonObject) -> bool:
    """Whether some values of the parameter are invalid."""
    schemas = (parameter["schema"], *parameter["schema"].get("anyOf", ()))
    return any(
        schema.keys() - PLAIN_SCHEMA_MEMBERS or schema.get("type") not in {None, "string", "null"} for schema in schemas
    )


def _build_problem_responses(operation: Document, route: Route, reference: Reference) -> dict[str, Document]:
    slugs = sorted(set(_list_problem_slugs(operation, route, reference)), key=list(reference.problems).index)
    statuses = {slug: reference.problems[slug].status for slug in slugs}
    grouped = groupby(sorted(slugs, key=statuses.__getitem__), statuses.__getitem__)
    responses = {str(status): build_problem_response(list(group), status, reference) for status, group in grouped}
    if JSON_CONTENT_TYPE in operation.get("requestBody", {}).get("content", {}):
        unreadable = build_problem_response(["invalid-request"], UNREADABLE_BODY_STATUS, reference)
        responses[str(UNREADABLE_BODY_STATUS)] = unreadable
    return responses


def build_problem_response(slugs: Sequence[str], status: int, reference: Reference) -> Document:
    """Return the response for the problems with this status, with an example of each."""
    examples = {
        slug: {
            "summary": TITLES[slug],
            "value": {
                "type": TYPE_PREFIX + slug,
                "title": TITLES[slug],
                "status": status,
                "detail": _get_first_sentence(reference.problems[slug].meaning),
            },
        }
        for slug in slugs
    }
    types = [TYPE_PREFIX + slug for slug in slugs]
    schema = {"allOf": [{"$ref": "#/components/schemas/Problem"}, {"properties": {"type": {"enum": types}}}]}
    return {
        "description": "\n\n".join(f"`{slug}`: {reference.problems[slug].meaning}" for slug in slugs),
        "content": {PROBLEM_CONTENT_TYPE: {"schema": schema, "examples": examples}},
    }


def _get_first_sentence(text: str) -> str:
    sentence, separator, _ = text.partition(". ")
    return sentence + separator.strip()


def _add_example(operation: Document, route: Route, example: Example, completer: ExampleCompleter) -> None:
    """Add an example's parameters, body and response to the operation."""
    _add_parameter_examples(operation, route, example)
    request = parse_example_body(example.request)
    for content in operation.get("requestBody", {}).get("content", {}).values():
        if example.request.body:
            content.setdefault("example", completer.complete(request, content.get("schema", {})))
    content = _find_response_content(operation, example)
    if content is None:
        return
    body = completer.complete(parse_example_body(example.response), content.get("schema", {}))
    if isinstance(body, dict) and str(body.get("type", "")).startswith(TYPE_PREFIX):
        slug = body["type"].removeprefix(TYPE_PREFIX)
        content["examples"][slug] = {"summary": TITLES[slug], "value": body}
    elif "examples" not in content:
        content.setdefault("example", body)


def _find_response_content(operation: Document, example: Example) -> Document | None:
    """The content of the operation's response that an example shows; None if it has no body."""
    response = operation["responses"].get(example.response.first_line[1], {})
    return next(iter(response.get("content", {}).values()), None) if example.response.body else None


def _add_parameter_examples(operation: Document, route: Route, example: Example) -> None:
    path, _, query = example.request.first_line[1].partition("?")
    values = {
        name[1:-1]: value for name, value in zip(route[1].split("/"), path.split("/"), strict=True) if name[:1] == "{"
    }
    values |= dict(pair.split("=", 1) for pair in query.split("&") if pair)
    values |= example.request.headers
    for parameter in operation.get("parameters", ()):
        if parameter["name"] in values:
            value = values[parameter["name"]]
            is_number = parameter["schema"].get("type") == "integer"
            parameter.setdefault("example", int(value) if is_number else value)


def _sort_paths(paths: Document, reference: Reference) -> Document:
    """The paths in the order of docs/api.md."""
    order = {path: number for number, (_, path) in reversed(list(enumerate(reference.routes)))}
    return dict(sorted(paths.items(), key=lambda item: order.get(item[0], len(order))))


def _list_tags(document: Document, reference: Reference) -> list[Document]:
    """The chapters with operations, with the first paragraph of each."""
    used = {tag for _, operation in _list_operations(document) for tag in operation.get("tags", ())}
    return [
        {"name": chapter, "description": text.partition("\n\n")[0]}
        for chapter, text in reference.chapters.items()
        if chapter in used
    ]
