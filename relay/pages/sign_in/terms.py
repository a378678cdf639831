"""The terms of service, and the page shown until the operator approves a new account."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from relay.identity.users import accept_terms
from relay.pages.forms import PostedForm
from relay.pages.rendering import redirect_to, render_page
from relay.pages.visitors import OptionalVisitor, sanitize_next_path
from relay.usecases.access.require_supabase_sign_in import require_supabase_sign_in
from relay.usecases.calls.runtime import RuntimeDependency

router = APIRouter(include_in_schema=False)

type NextPath = Annotated[str | None, Query(alias="next")]


@router.get("/terms")
async def show_terms(
    request: Request, runtime: RuntimeDependency, visitor: OptionalVisitor, next_path: NextPath = None
) -> Response:
    """Show the terms, with a button if the user hasn't accepted them."""
    require_supabase_sign_in(runtime)
    must_accept = visitor is not None and not visitor.has_accepted_terms
    is_blocked = visitor is not None and not (visitor.is_approved and visitor.has_accepted_terms)
    return render_page(
        request, "terms.html", must_accept=must_accept, is_blocked=is_blocked, next_path=sanitize_next_path(next_path)
    )


@router.post("/terms")
async def submit_terms(
    request: Request, runtime: RuntimeDependency, visitor: OptionalVisitor, form: PostedForm
) -> Response:
    """Record that the user has accepted the terms."""
    require_supabase_sign_in(runtime)
    if visitor is None:
        return redirect_to(request, "/sign-in?next=/terms")
    async with runtime.pool.connection() as connection:
        await accept_terms(connection, visitor.user_id)
    return redirect_to(request, sanitize_next_path(form.get_text("next")))


@router.get("/waiting")
async def show_waiting(request: Request, visitor: OptionalVisitor, next_path: NextPath = None) -> Response:
    """Show that the account awaits the operator's approval."""
    if visitor is None:
        return redirect_to(request, "/sign-in")
    if visitor.is_approved:
        return redirect_to(request, sanitize_next_path(next_path))
    return render_page(
        request, "waiting.html", email=visitor.email, is_blocked=True, next_path=sanitize_next_path(next_path)
    )
