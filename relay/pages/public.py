"""Pages that anybody may see: what this is, and where a browser lands after a car was linked."""

from importlib.metadata import version
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from relay.pages.rendering import go, page
from relay.pages.visitors import MaybeVisitor
from relay.usecases.runtime import RuntimeDependency

router = APIRouter(include_in_schema=False)


@router.get("/")
async def landing(request: Request, visitor: MaybeVisitor) -> Response:
    """What this host is, for whoever opens it in a browser."""
    if visitor is not None:
        return go(request, "/home")
    return page(request, "landing.html", version=version("evconduit-relay"))


@router.get("/link-callback")
async def link_callback(
    request: Request, runtime: RuntimeDependency, error: Annotated[str | None, Query(max_length=200)] = None
) -> Response:
    """Enode sends the browser here when linking ended. What was linked arrives as events, not in this address."""
    if error is None:
        runtime.look_soon()
    return page(request, "link_callback.html", cancelled=error == "cancelledByUser", failed=error is not None)
