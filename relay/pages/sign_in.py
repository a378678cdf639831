"""Signing in to a relay of one's own, and out of any."""

from typing import Annotated
from urllib.parse import quote, unquote

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from relay.identity.sign_in_links import is_sign_in_link_valid
from relay.identity.web_sessions import end_web_session
from relay.pages.csrf import NEXT_COOKIE, SESSION_COOKIE, read_cookie, set_cookie
from relay.pages.forms import PostedForm
from relay.pages.rendering import redirect_to, render_page
from relay.pages.sign_in_responses import (
    get_browser_language,
    get_client_address,
    render_sign_in_options,
    set_session_cookie,
)
from relay.pages.visitors import OptionalVisitor, sanitize_next_path
from relay.usecases.access.sign_in_owner import sign_in_by_link
from relay.usecases.calls.runtime import Runtime, RuntimeDependency

MAX_NEXT_LENGTH = 1200
"""Of an address; three times that with its escapes, which a cookie just holds."""
NEXT_COOKIE_SECONDS = 900

router = APIRouter(include_in_schema=False)


@router.get("/sign-in")
async def show_sign_in(
    request: Request,
    runtime: RuntimeDependency,
    visitor: OptionalVisitor,
    next_path: Annotated[str | None, Query(alias="next")] = None,
) -> Response:
    """How to sign in here."""
    if visitor is not None:
        return redirect_to(request, sanitize_next_path(next_path))
    if runtime.supabase_sign_in is not None:
        return render_sign_in_options(request, runtime.supabase_sign_in, next_path=sanitize_next_path(next_path))
    shown = render_page(request, "sign_in.html")
    if next_path is not None:
        # The link is printed elsewhere and knows nothing of it.
        set_cookie(
            shown,
            runtime,
            NEXT_COOKIE,
            quote(sanitize_next_path(next_path)[:MAX_NEXT_LENGTH], safe=""),
            max_age=NEXT_COOKIE_SECONDS,
        )
    return shown


@router.get("/sign-in/link/{token}")
async def show_sign_in_link(token: str, request: Request, runtime: RuntimeDependency) -> Response:
    """A button. Programs that look into mail and chats follow addresses, but press no buttons."""
    _check_rate_limit(request, runtime)
    async with runtime.pool.connection() as connection:
        good = await is_sign_in_link_valid(connection, token)
    return render_page(request, "sign_in_link.html", status=200 if good else 410, good=good)


@router.post("/sign-in/link/{token}")
async def submit_sign_in_link(token: str, request: Request, runtime: RuntimeDependency, _form: PostedForm) -> Response:
    """The button was pressed."""
    _check_rate_limit(request, runtime)
    session = await sign_in_by_link(runtime, token, language=get_browser_language(request))
    if session is None:
        return render_page(request, "sign_in_link.html", status=410, good=False)
    wanted = read_cookie(request, runtime, NEXT_COOKIE, max_length=3 * MAX_NEXT_LENGTH)
    answer = redirect_to(request, sanitize_next_path(wanted and unquote(wanted)))
    set_session_cookie(answer, runtime, session)
    set_cookie(answer, runtime, NEXT_COOKIE, "", max_age=0)
    return answer


@router.post("/sign-out")
async def submit_sign_out(request: Request, runtime: RuntimeDependency, _form: PostedForm) -> Response:
    """End this browser's session."""
    token = read_cookie(request, runtime, SESSION_COOKIE)
    if token is not None:
        async with runtime.pool.connection() as connection:
            await end_web_session(connection, token)
    answer = redirect_to(request, "/sign-in")
    set_cookie(answer, runtime, SESSION_COOKIE, "", max_age=0)
    return answer


def _check_rate_limit(request: Request, runtime: Runtime) -> None:
    """Raises Problem 429: who has a link opens it once or twice."""
    runtime.rate_limiter.check(("sign-in link", get_client_address(request)))
