"""What anybody may see: what this is."""

from importlib.metadata import version
from urllib.parse import urlencode

from fastapi import APIRouter, Request
from fastapi.responses import Response

from relay.pages.rendering import go, page
from relay.pages.visitors import MaybeVisitor
from relay.usecases.runtime import RuntimeDependency
from relay.usecases.sign_in_with_supabase import CALLBACK

router = APIRouter(include_in_schema=False)


@router.get("/")
async def landing(request: Request, runtime: RuntimeDependency, visitor: MaybeVisitor) -> Response:
    """What this host is, for whoever opens it in a browser."""
    if visitor is not None:
        return go(request, "/home")
    # Supabase leads here, to the site, when it no longer knows where a sign-in began: to take too long is enough.
    told = {name: it[:100] for name in ("error", "error_code") if (it := request.query_params.get(name))}
    if told and runtime.people is not None:
        return go(request, f"{CALLBACK}?{urlencode(told)}")
    return page(request, "landing.html", version=version("evconduit-relay"))
