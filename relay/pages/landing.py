"""What anybody may see: what this is."""

from importlib.metadata import version
from urllib.parse import urlencode

from fastapi import APIRouter, Request
from fastapi.responses import Response

from relay.pages.rendering import redirect_to, render_page
from relay.pages.visitors import OptionalVisitor
from relay.usecases.access.sign_in_with_supabase import CALLBACK_PATH
from relay.usecases.calls.runtime import RuntimeDependency

router = APIRouter(include_in_schema=False)


@router.get("/")
async def show_landing(request: Request, runtime: RuntimeDependency, visitor: OptionalVisitor) -> Response:
    """What this host is, for whoever opens it in a browser."""
    if visitor is not None:
        return redirect_to(request, "/home")
    # Supabase leads here, to the site, when it no longer knows where a sign-in began: to take too long is enough.
    told = {name: it[:100] for name in ("error", "error_code") if (it := request.query_params.get(name))}
    if told and runtime.supabase_sign_in is not None:
        return redirect_to(request, f"{CALLBACK_PATH}?{urlencode(told)}")
    return render_page(request, "landing.html", version=version("evconduit-relay"))
