"""The API reference: Swagger UI on the OpenAPI document, and without scripts a list of the operations.

FastAPI's own documentation pages load Swagger UI from a CDN, whose scripts would run on the origin of the users'
sessions. The files of the package `fastapi-standalone-docs` are served from this origin instead.
"""

from dataclasses import dataclass
from importlib.resources import files
from itertools import groupby

from fastapi import APIRouter, Request
from fastapi.responses import Response

from relay.kit.json_object import JsonObject
from relay.pages.rendering import render_page
from relay.pages.visitors import OptionalVisitor

SWAGGER_UI_DIR = str(files("fastapi_standalone_docs") / "static" / "swagger")
"""Folder with the script, the stylesheet and the licence of Swagger UI."""
SWAGGER_UI_PATH = "/static/swagger-ui"

OTHER_CHAPTER = "Other"
"""For operations without a tag."""

router = APIRouter(include_in_schema=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class Operation:
    """One method of one path, with the chapter that it's in."""

    chapter: str
    method: str
    path: str
    summary: str


@router.get("/api/docs")
async def show_reference(request: Request, _visitor: OptionalVisitor) -> Response:
    """Show the reference of all operations, with a form to try each."""
    operations = list_operations(request.app.openapi())
    chapters = [(chapter, list(group)) for chapter, group in groupby(operations, lambda it: it.chapter)]
    return render_page(request, "api_reference.html", chapters=chapters, connects=True)


def list_operations(document: JsonObject) -> list[Operation]:
    """Operations in the order of the document's tags."""
    order = [*(tag["name"] for tag in document["tags"]), OTHER_CHAPTER]
    operations = [
        Operation(
            chapter=source.get("tags", [OTHER_CHAPTER])[0], method=method.upper(), path=path, summary=source["summary"]
        )
        for path, methods in document["paths"].items()
        for method, source in methods.items()
    ]
    return sorted(operations, key=lambda operation: order.index(operation.chapter))
