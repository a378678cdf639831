"""The public front page."""

from urllib.parse import urlencode

from fastapi import APIRouter, Request
from fastapi.responses import Response

from relay.pages.rendering import redirect_to, render_page
from relay.pages.visitors import OptionalVisitor
from relay.usecases.access.begin_sign_in import CALLBACK_PATH
from relay.usecases.calls.runtime import RuntimeDependency

router = APIRouter(include_in_schema=False)


@router.get("/")
async def show_landing(request: Request, runtime: RuntimeDependency, visitor: OptionalVisitor) -> Response:
    """Show what this relay is; signed-in users go to /home."""
    if visitor is not None:
        return redirect_to(request, "/home")
    # Supabase redirects to the site URL, which is this page, if it no longer has the state of a sign-in, because the
    # user took too long.
    errors = {name: value[:100] for name in ("error", "error_code") if (value := request.query_params.get(name))}
    if errors and runtime.supabase_sign_in is not None:
        return redirect_to(request, f"{CALLBACK_PATH}?{urlencode(errors)}")
    return render_page(request, "landing.html", has_script=runtime.mode == "cloud")
