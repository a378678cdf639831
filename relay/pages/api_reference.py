"""The API's reference, made from the OpenAPI document: without a script, and without files of strangers.

What FastAPI would show comes from a network of other people's, and would run where the sessions of ours are.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response

from relay.pages.rendering import render_page

router = APIRouter(include_in_schema=False)

type JsonObject = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class RequestField:
    """Something to send. `place` is path, query, header or body."""

    name: str
    place: str
    type: str
    required: bool
    about: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Operation:
    """One method of one address. `about` has its paragraphs."""

    method: str
    path: str
    about: list[str]
    fields: list[RequestField]
    answers: list[tuple[str, str]]


@router.get("/api/docs")
async def show_reference(request: Request) -> Response:
    """All operations, by subject."""
    document: JsonObject = request.app.openapi()
    return render_page(request, "reference.html", info=document["info"], subjects=group_operations(document))


def group_operations(document: JsonObject) -> dict[str, list[Operation]]:
    """The operations of the document in its order, by their first tag."""
    found: dict[str, list[Operation]] = {}
    for path, methods in document["paths"].items():
        for method, it in methods.items():
            operation = Operation(
                method=method.upper(),
                path=path,
                about=[part for part in it.get("description", "").split("\n\n") if part.strip()],
                fields=[*_list_parameters(it), *_list_body_fields(it, document)],
                answers=[(code, about["description"]) for code, about in it["responses"].items() if code != "default"],
            )
            found.setdefault(it.get("tags", ["Other"])[0], []).append(operation)
    return found


def _list_parameters(operation: JsonObject) -> Iterator[RequestField]:
    for it in operation.get("parameters", ()):
        about = it.get("description", "")
        yield RequestField(
            name=it["name"],
            place=it["in"],
            type=_describe_type(it["schema"]),
            required=it.get("required", False),
            about=about,
        )


def _list_body_fields(operation: JsonObject, document: JsonObject) -> Iterator[RequestField]:
    for content in operation.get("requestBody", {}).get("content", {}).values():
        schema = _resolve_schema(content["schema"], document)
        for name, it in schema.get("properties", {}).items():
            required = name in schema.get("required", ())
            yield RequestField(
                name=name, place="body", type=_describe_type(it), required=required, about=it.get("description", "")
            )


def _resolve_schema(schema: JsonObject, document: JsonObject) -> JsonObject:
    """The schema that a reference, or a choice with nothing else, stands for."""
    for it in (schema, *schema.get("anyOf", ())):
        if "$ref" in it:
            whole: JsonObject = document["components"]["schemas"][it["$ref"].rpartition("/")[2]]
            return whole
    return schema


def _describe_type(schema: JsonObject) -> str:
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    if "enum" in schema:
        return " | ".join(map(str, schema["enum"]))
    if "anyOf" in schema:
        return " | ".join(map(_describe_type, schema["anyOf"]))
    return str(schema.get("format") or schema.get("type") or "any")
