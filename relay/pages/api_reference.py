"""The API reference, rendered from the OpenAPI document without scripts or third-party files.

FastAPI's own documentation pages load scripts from a CDN, which would run on the origin of the users' sessions.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from fastapi import APIRouter, Request
from fastapi.responses import Response

from relay.kit.json_object import JsonObject
from relay.pages.rendering import render_page

router = APIRouter(include_in_schema=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class RequestField:
    """A parameter or body field. `location` is path, query, header or body."""

    name: str
    location: str
    type: str
    required: bool
    description: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Operation:
    """One method of one path. `description` has its paragraphs, `responses` statuses with descriptions."""

    method: str
    path: str
    description: list[str]
    fields: list[RequestField]
    responses: list[tuple[str, str]]


@router.get("/api/docs")
async def show_reference(request: Request) -> Response:
    """Show all operations, grouped by tag."""
    document: JsonObject = request.app.openapi()
    return render_page(request, "reference.html", info=document["info"], subjects=group_operations(document))


def group_operations(document: JsonObject) -> dict[str, list[Operation]]:
    """Operations by their first tag, in the order of the document."""
    groups: dict[str, list[Operation]] = {}
    for path, methods in document["paths"].items():
        for method, source in methods.items():
            operation = Operation(
                method=method.upper(),
                path=path,
                description=[part for part in source.get("description", "").split("\n\n") if part.strip()],
                fields=[*_list_parameters(source), *_list_body_fields(source, document)],
                responses=[
                    (status, response["description"])
                    for status, response in source["responses"].items()
                    if status != "default"
                ],
            )
            groups.setdefault(source.get("tags", ["Other"])[0], []).append(operation)
    return groups


def _list_parameters(operation: JsonObject) -> Iterator[RequestField]:
    for parameter in operation.get("parameters", ()):
        yield RequestField(
            name=parameter["name"],
            location=parameter["in"],
            type=_describe_type(parameter["schema"]),
            required=parameter.get("required", False),
            description=parameter.get("description", ""),
        )


def _list_body_fields(operation: JsonObject, document: JsonObject) -> Iterator[RequestField]:
    for content in operation.get("requestBody", {}).get("content", {}).values():
        schema = _resolve_schema(content["schema"], document)
        for name, field in schema.get("properties", {}).items():
            yield RequestField(
                name=name,
                location="body",
                type=_describe_type(field),
                required=name in schema.get("required", ()),
                description=field.get("description", ""),
            )


def _resolve_schema(schema: JsonObject, document: JsonObject) -> JsonObject:
    """Follow a `$ref`, also one inside `anyOf` (an optional body)."""
    for candidate in (schema, *schema.get("anyOf", ())):
        if "$ref" in candidate:
            resolved: JsonObject = document["components"]["schemas"][candidate["$ref"].rpartition("/")[2]]
            return resolved
    return schema


def _describe_type(schema: JsonObject) -> str:
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    if "enum" in schema:
        return " | ".join(map(str, schema["enum"]))
    if "anyOf" in schema:
        return " | ".join(map(_describe_type, schema["anyOf"]))
    return str(schema.get("format") or schema.get("type") or "any")
