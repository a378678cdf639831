"""What anybody may see: what this is."""

from importlib.metadata import version

from fastapi import APIRouter, Request
from fastapi.responses import Response

from relay.pages.rendering import go, page
from relay.pages.visitors import MaybeVisitor

router = APIRouter(include_in_schema=False)


@router.get("/")
async def landing(request: Request, visitor: MaybeVisitor) -> Response:
    """What this host is, for whoever opens it in a browser."""
    if visitor is not None:
        return go(request, "/home")
    return page(request, "landing.html", version=version("evconduit-relay"))
