"""The page /sign-in, and signing out."""

from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from relay.identity.web_sessions import end_web_session
from relay.pages.cookies import NEXT_COOKIE, SESSION_COOKIE, read_cookie, set_cookie
from relay.pages.forms import PostedForm
from relay.pages.rendering import redirect_to, render_page
from relay.pages.sign_in.responses import render_sign_in_options
from relay.pages.visitors import OptionalVisitor, sanitize_next_path
from relay.usecases.calls.runtime import RuntimeDependency

MAX_NEXT_LENGTH = 1200
"""Longest path stored in NEXT_COOKIE. Percent-encoded it may take three times as much, which still fits a cookie."""
NEXT_COOKIE_SECONDS = 900

router = APIRouter(include_in_schema=False)


@router.get("/sign-in")
async def show_sign_in(
    request: Request,
    runtime: RuntimeDependency,
    visitor: OptionalVisitor,
    next_path: Annotated[str | None, Query(alias="next")] = None,
    again: str | None = None,
) -> Response:
    """Show how to sign in: with Supabase, or on a self-hosted relay how to print a link.

    With `again`, also to a signed-in user, unless the sign-in is recent: some actions ask for it.
    """
    if visitor is not None and (again is None or visitor.is_fresh):
        return redirect_to(request, sanitize_next_path(next_path))
    if runtime.supabase_sign_in is not None:
        email = "" if visitor is None else visitor.email or ""
        return render_sign_in_options(
            request, runtime.supabase_sign_in, next_path=sanitize_next_path(next_path), email=email
        )
    response = render_page(request, "sign_in.html", next_path=sanitize_next_path(next_path))
    if next_path is not None:
        # The link is printed on the command line, so only this cookie can carry the path to it.
        value = quote(sanitize_next_path(next_path)[:MAX_NEXT_LENGTH], safe="")
        set_cookie(request, response, runtime, NEXT_COOKIE, value, max_age=NEXT_COOKIE_SECONDS)
    return response


@router.post("/sign-out")
async def submit_sign_out(request: Request, runtime: RuntimeDependency, _form: PostedForm) -> Response:
    """End this browser's session."""
    token = read_cookie(request, runtime, SESSION_COOKIE)
    if token is not None:
        async with runtime.pool.connection() as connection:
            await end_web_session(connection, token)
    response = redirect_to(request, "/sign-in")
    set_cookie(request, response, runtime, SESSION_COOKIE, "", max_age=0)
    return response
