"""The API's reference, made from the OpenAPI document: without a script, and without files of strangers.

What FastAPI would show comes from a network of other people's, and would run where the sessions of ours are.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response

from relay.pages.rendering import page

router = APIRouter(include_in_schema=False)

type Json = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class Field:
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
    fields: list[Field]
    answers: list[tuple[str, str]]


@router.get("/api/docs")
async def reference(request: Request) -> Response:
    """All operations, by subject."""
    document: Json = request.app.openapi()
    return page(request, "reference.html", info=document["info"], subjects=subjects(document))


def subjects(document: Json) -> dict[str, list[Operation]]:
    """The operations of the document in its order, by their first tag."""
    found: dict[str, list[Operation]] = {}
    for path, methods in document["paths"].items():
        for method, it in methods.items():
            operation = Operation(
                method=method.upper(),
                path=path,
                about=[part for part in it.get("description", "").split("\n\n") if part.strip()],
                fields=[*_parameters(it), *_body(it, document)],
                answers=[(code, about["description"]) for code, about in it["responses"].items() if code != "default"],
            )
            found.setdefault(it.get("tags", ["Other"])[0], []).append(operation)
    return found


def _parameters(operation: Json) -> Iterator[Field]:
    for it in operation.get("parameters", ()):
        about = it.get("description", "")
        yield Field(
            name=it["name"], place=it["in"], type=_type(it["schema"]), required=it.get("required", False), about=about
        )


def _body(operation: Json, document: Json) -> Iterator[Field]:
    for content in operation.get("requestBody", {}).get("content", {}).values():
        schema = _whole(content["schema"], document)
        for name, it in schema.get("properties", {}).items():
            required = name in schema.get("required", ())
            yield Field(name=name, place="body", type=_type(it), required=required, about=it.get("description", ""))


def _whole(schema: Json, document: Json) -> Json:
    """The schema that a reference, or a choice with nothing else, stands for."""
    for it in (schema, *schema.get("anyOf", ())):
        if "$ref" in it:
            whole: Json = document["components"]["schemas"][it["$ref"].rpartition("/")[2]]
            return whole
    return schema


def _type(schema: Json) -> str:
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    if "enum" in schema:
        return " | ".join(map(str, schema["enum"]))
    if "anyOf" in schema:
        return " | ".join(map(_type, schema["anyOf"]))
    return str(schema.get("format") or schema.get("type") or "any")
