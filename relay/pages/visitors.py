"""Who looks at a page: nobody in particular, or the holder of a session; through ingress, the owner."""

from typing import Annotated
from urllib.parse import quote

from fastapi import Depends, Request

from relay.identity.sessions import SessionHolder, find_session
from relay.kit.ingress import ingress_user
from relay.kit.problems import Problem
from relay.pages.csrf import SESSION, read_cookie
from relay.usecases.runtime import Runtime, RuntimeDependency
from relay.usecases.sign_in_owner import owner_of_relay

LONGEST_PATH = 2048


class GoElsewhereError(Exception):
    """The page cannot be shown before something else is done; `path` is where that is."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.path = path


async def find_visitor(request: Request, runtime: RuntimeDependency) -> SessionHolder | None:
    """The holder of this browser's session, whatever the account lacks; None for who is not signed in."""
    async with runtime.pool.connection() as connection:
        if ingress_user(request) is not None:
            return await owner_of_relay(connection)
        token = read_cookie(request, runtime, SESSION)
        return await find_session(connection, token) if token else None


type Holder = Annotated[SessionHolder | None, Depends(find_visitor)]
"""For pages that a person sees before everything is in order: terms, waiting for approval."""


async def maybe_visitor(request: Request, holder: Holder) -> SessionHolder | None:
    """Who is signed in, for pages that anybody may see."""
    request.state.visitor = holder
    return holder


async def signed_in(request: Request, runtime: RuntimeDependency, holder: Holder) -> SessionHolder:
    """Who is signed in. Anybody else is sent to sign in and comes back to this page afterwards."""
    if holder is None:
        raise GoElsewhereError("/sign-in" + _and_back(request))
    if holder.is_disabled:
        raise Problem(403, "account-disabled", "The operator has switched this account off; ask there.")
    if elsewhere := _lacking(runtime, holder):
        raise GoElsewhereError(elsewhere + _and_back(request))
    request.state.visitor = holder
    return holder


type MaybeVisitor = Annotated[SessionHolder | None, Depends(maybe_visitor)]
type SignedIn = Annotated[SessionHolder, Depends(signed_in)]


def local_path(wanted: str | None, otherwise: str = "/home") -> str:
    """`wanted` when it is a path on this relay, else `otherwise`: nobody is sent from here to a foreign page."""
    # Browsers read a backslash as a slash, and take control characters out.
    plain = wanted is not None and wanted.isascii() and wanted.isprintable() and "\\" not in wanted
    # Longer ones are no page's, and more than browsers keep in a cookie.
    plain = plain and wanted is not None and len(wanted) <= LONGEST_PATH
    return wanted if wanted and plain and wanted.startswith("/") and not wanted.startswith("//") else otherwise


def _lacking(runtime: Runtime, holder: SessionHolder) -> str | None:
    if not holder.is_approved:
        return "/waiting"
    return "/terms" if runtime.mode == "cloud" and not holder.has_accepted_terms else None


def _and_back(request: Request) -> str:
    if request.method not in {"GET", "HEAD"}:
        return ""
    path = request.scope["path"].removeprefix(request.scope.get("root_path", ""))
    query = f"?{request.url.query}" if request.url.query else ""
    return "?next=" + quote(path + query, safe="")
