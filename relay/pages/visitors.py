"""Dependencies that resolve who views a page: a signed-in user, through ingress the owner, or an anonymous visitor."""

from typing import Annotated
from urllib.parse import quote

from fastapi import Depends, Request

from relay.identity.web_sessions import SignedInUser, find_web_session
from relay.kit.ingress import find_ingress_user_id
from relay.kit.problems import Problem
from relay.kit.public_path import get_route_path
from relay.pages.cookies import SESSION_COOKIE, read_cookie
from relay.usecases.access.sign_in_owner import get_signed_in_owner
from relay.usecases.calls.runtime import Runtime, RuntimeDependency

MAX_PATH_LENGTH = 2048


class RedirectRequiredError(Exception):
    """The visitor must open `path` first, for example to sign in."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.path = path


async def find_visitor(request: Request, runtime: RuntimeDependency) -> SignedInUser | None:
    """The user of this browser's session, even if the account can't be used yet; None if there is no session."""
    async with runtime.pool.connection() as connection:
        if find_ingress_user_id(request) is not None:
            return await get_signed_in_owner(connection)
        token = read_cookie(request, runtime, SESSION_COOKIE)
        return await find_web_session(connection, token) if token else None


type UncheckedVisitor = Annotated[SignedInUser | None, Depends(find_visitor)]
"""The user, possibly disabled, not approved or without accepted terms."""


async def get_optional_visitor(request: Request, visitor: UncheckedVisitor) -> SignedInUser | None:
    """The signed-in user, if any, for public pages. Accepts accounts that can't be used yet."""
    request.state.visitor = visitor
    return visitor


async def require_signed_in(request: Request, runtime: RuntimeDependency, visitor: UncheckedVisitor) -> SignedInUser:
    """The signed-in user. Raises Problem 403 for a disabled account.

    Raises RedirectRequiredError for a missing sign-in, approval or acceptance of the terms.
    """
    if visitor is None:
        raise RedirectRequiredError("/sign-in" + _build_next_query(request))
    if visitor.is_disabled:
        raise Problem(403, "account-disabled", "The operator has disabled this account. Contact them to enable it.")
    if path := _find_blocking_page(runtime, visitor):
        raise RedirectRequiredError(path + _build_next_query(request))
    request.state.visitor = visitor
    return visitor


async def require_fresh_sign_in(
    request: Request, visitor: Annotated[SignedInUser, Depends(require_signed_in)]
) -> SignedInUser:
    """The signed-in user, who signed in recently; Home Assistant's ingress always counts as recent.

    Raises RedirectRequiredError to the sign-in page otherwise, which leads back to the form.
    """
    if not visitor.is_fresh:
        raise build_sign_in_again_error(_get_requested_path(request))
    return visitor


def build_sign_in_again_error(next_path: str) -> RedirectRequiredError:
    """Return the error that has the user sign in again and then opens `next_path`."""
    return RedirectRequiredError("/sign-in?again=1&next=" + quote(next_path, safe=""))


type OptionalVisitor = Annotated[SignedInUser | None, Depends(get_optional_visitor)]
type SignedInVisitor = Annotated[SignedInUser, Depends(require_signed_in)]
type FreshVisitor = Annotated[SignedInUser, Depends(require_fresh_sign_in)]
"""For actions that delete the account or change what opens it."""


def sanitize_next_path(next_path: str | None, default: str = "/home") -> str:
    """`next_path` if it is a path on this relay, else `default`. Prevents open redirects."""
    # No page has a longer path.
    if next_path is None or len(next_path) > MAX_PATH_LENGTH:
        return default
    # Browsers treat a backslash as a slash and remove control characters.
    is_plain = next_path.isascii() and next_path.isprintable() and "\\" not in next_path
    return next_path if is_plain and next_path.startswith("/") and not next_path.startswith("//") else default


def _find_blocking_page(runtime: Runtime, visitor: SignedInUser) -> str | None:
    if not visitor.is_approved:
        return "/waiting"
    return "/terms" if runtime.mode == "cloud" and not visitor.has_accepted_terms else None


def _build_next_query(request: Request) -> str:
    if request.method not in {"GET", "HEAD"}:
        return ""
    return "?next=" + quote(_get_requested_path(request), safe="")


def _get_requested_path(request: Request) -> str:
    query = f"?{request.url.query}" if request.url.query else ""
    return get_route_path(request.scope) + query
