"""Who looks at a page: nobody in particular, or the holder of a session; through ingress, the owner."""

from typing import Annotated
from urllib.parse import quote

from fastapi import Depends, Request

from relay.identity.web_sessions import SignedInUser, find_web_session
from relay.kit.ingress import find_ingress_user_id
from relay.kit.problems import Problem
from relay.pages.csrf import SESSION_COOKIE, read_cookie
from relay.usecases.access.sign_in_owner import get_signed_in_owner
from relay.usecases.calls.runtime import Runtime, RuntimeDependency

MAX_PATH_LENGTH = 2048


class RedirectRequiredError(Exception):
    """The page cannot be shown before something else is done; `path` is where that is."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.path = path


async def find_visitor(request: Request, runtime: RuntimeDependency) -> SignedInUser | None:
    """The holder of this browser's session, whatever the account lacks; None for who is not signed in."""
    async with runtime.pool.connection() as connection:
        if find_ingress_user_id(request) is not None:
            return await get_signed_in_owner(connection)
        token = read_cookie(request, runtime, SESSION_COOKIE)
        return await find_web_session(connection, token) if token else None


type UncheckedVisitor = Annotated[SignedInUser | None, Depends(find_visitor)]
"""For pages that a person sees before everything is in order: terms, waiting for approval."""


async def get_optional_visitor(request: Request, visitor: UncheckedVisitor) -> SignedInUser | None:
    """Who is signed in, for pages that anybody may see."""
    request.state.visitor = visitor
    return visitor


async def require_signed_in(request: Request, runtime: RuntimeDependency, visitor: UncheckedVisitor) -> SignedInUser:
    """Who is signed in. Anybody else is sent to sign in and comes back to this page afterwards."""
    if visitor is None:
        raise RedirectRequiredError("/sign-in" + _build_next_query(request))
    if visitor.is_disabled:
        raise Problem(403, "account-disabled", "The operator has switched this account off; ask there.")
    if elsewhere := _find_blocking_page(runtime, visitor):
        raise RedirectRequiredError(elsewhere + _build_next_query(request))
    request.state.visitor = visitor
    return visitor


type OptionalVisitor = Annotated[SignedInUser | None, Depends(get_optional_visitor)]
type SignedInVisitor = Annotated[SignedInUser, Depends(require_signed_in)]


def sanitize_next_path(next_path: str | None, default: str = "/home") -> str:
    """`wanted` when it is a path on this relay, else `otherwise`: nobody is sent from here to a foreign page."""
    # Browsers read a backslash as a slash, and take control characters out.
    plain = next_path is not None and next_path.isascii() and next_path.isprintable() and "\\" not in next_path
    # Longer ones are no page's, and more than browsers keep in a cookie.
    plain = plain and next_path is not None and len(next_path) <= MAX_PATH_LENGTH
    return (
        next_path if next_path and plain and next_path.startswith("/") and not next_path.startswith("//") else default
    )


def _find_blocking_page(runtime: Runtime, visitor: SignedInUser) -> str | None:
    if not visitor.is_approved:
        return "/waiting"
    return "/terms" if runtime.mode == "cloud" and not visitor.has_accepted_terms else None


def _build_next_query(request: Request) -> str:
    if request.method not in {"GET", "HEAD"}:
        return ""
    path = request.scope["path"].removeprefix(request.scope.get("root_path", ""))
    query = f"?{request.url.query}" if request.url.query else ""
    return "?next=" + quote(path + query, safe="")
