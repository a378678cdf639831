"""The one-time link that signs in the owner of a self-hosted relay."""

from urllib.parse import unquote

from fastapi import APIRouter, Request
from fastapi.responses import Response

from relay.identity.sign_in_links import is_sign_in_link_valid
from relay.kit.client_network import get_request_network
from relay.pages.cookies import NEXT_COOKIE, read_cookie, set_cookie
from relay.pages.forms import PostedForm
from relay.pages.rendering import redirect_to, render_page
from relay.pages.sign_in.responses import get_browser_language, store_session
from relay.pages.sign_in.sign_in_page import MAX_NEXT_LENGTH
from relay.pages.visitors import sanitize_next_path
from relay.usecases.access.sign_in_owner import sign_in_by_link
from relay.usecases.calls.runtime import Runtime, RuntimeDependency

router = APIRouter(include_in_schema=False)


@router.get("/sign-in/link/{token}")
async def show_sign_in_link(token: str, request: Request, runtime: RuntimeDependency) -> Response:
    """Show a button that signs in. The GET itself does not: mail scanners and chat previews open links."""
    _check_rate_limit(request, runtime)
    async with runtime.pool.connection() as connection:
        is_valid = await is_sign_in_link_valid(connection, token)
    return render_page(
        request,
        "sign_in_link.html",
        status=200 if is_valid else 410,
        is_valid=is_valid,
        next_path=_read_next_path(request, runtime),
    )


@router.post("/sign-in/link/{token}")
async def submit_sign_in_link(token: str, request: Request, runtime: RuntimeDependency, _form: PostedForm) -> Response:
    """Redeem the link, sign in, and open the page that was requested before signing in."""
    _check_rate_limit(request, runtime)
    session = await sign_in_by_link(runtime, token, language=get_browser_language(request))
    if session is None:
        return render_page(request, "sign_in_link.html", status=410, is_valid=False)
    response = redirect_to(request, _read_next_path(request, runtime))
    await store_session(request, response, runtime, session)
    set_cookie(request, response, runtime, NEXT_COOKIE, "", max_age=0)
    return response


def _read_next_path(request: Request, runtime: Runtime) -> str:
    """Path of the page that was requested before signing in, else of the start page."""
    next_path = read_cookie(request, runtime, NEXT_COOKIE, max_length=3 * MAX_NEXT_LENGTH)
    return sanitize_next_path(next_path and unquote(next_path))


def _check_rate_limit(request: Request, runtime: Runtime) -> None:
    """Raise Problem 429 if this client has opened many sign-in links."""
    runtime.rate_limiter.check(("sign-in link", get_request_network(request)))
