"""Signing in to a relay of one's own, and out of any."""

from typing import Annotated
from urllib.parse import quote, unquote

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from relay.identity.sessions import end_session
from relay.identity.sign_in_links import is_good
from relay.pages.csrf import NEXT, SESSION, put_cookie, read_cookie
from relay.pages.forms import PostedForm
from relay.pages.rendering import go, page
from relay.pages.visitors import MaybeVisitor, local_path
from relay.pages.ways_in import language_of, remember, show_ways, source_of
from relay.usecases.runtime import Runtime, RuntimeDependency
from relay.usecases.sign_in_owner import sign_in_by_link

LONGEST_NEXT = 1200
"""Of an address; three times that with its escapes, which a cookie just holds."""
NEXT_LIVES_SECONDS = 900

router = APIRouter(include_in_schema=False)


@router.get("/sign-in")
async def sign_in(
    request: Request,
    runtime: RuntimeDependency,
    visitor: MaybeVisitor,
    back: Annotated[str | None, Query(alias="next")] = None,
) -> Response:
    """How to sign in here."""
    if visitor is not None:
        return go(request, local_path(back))
    if runtime.people is not None:
        return show_ways(request, runtime.people, next_path=local_path(back))
    shown = page(request, "sign_in.html")
    if back is not None:
        # The link is printed elsewhere and knows nothing of it.
        put_cookie(shown, runtime, NEXT, quote(local_path(back)[:LONGEST_NEXT], safe=""), seconds=NEXT_LIVES_SECONDS)
    return shown


@router.get("/sign-in/link/{token}")
async def show_link(token: str, request: Request, runtime: RuntimeDependency) -> Response:
    """A button. Programs that look into mail and chats follow addresses, but press no buttons."""
    _limit(request, runtime)
    async with runtime.pool.connection() as connection:
        good = await is_good(connection, token)
    return page(request, "sign_in_link.html", status=200 if good else 410, good=good)


@router.post("/sign-in/link/{token}")
async def use_link(token: str, request: Request, runtime: RuntimeDependency, _form: PostedForm) -> Response:
    """The button was pressed."""
    _limit(request, runtime)
    session = await sign_in_by_link(runtime, token, language=language_of(request))
    if session is None:
        return page(request, "sign_in_link.html", status=410, good=False)
    wanted = read_cookie(request, runtime, NEXT, longest=3 * LONGEST_NEXT)
    answer = go(request, local_path(wanted and unquote(wanted)))
    remember(answer, runtime, session)
    put_cookie(answer, runtime, NEXT, "", seconds=0)
    return answer


@router.post("/sign-out")
async def sign_out(request: Request, runtime: RuntimeDependency, _form: PostedForm) -> Response:
    """End this browser's session."""
    token = read_cookie(request, runtime, SESSION)
    if token is not None:
        async with runtime.pool.connection() as connection:
            await end_session(connection, token)
    answer = go(request, "/sign-in")
    put_cookie(answer, runtime, SESSION, "", seconds=0)
    return answer


def _limit(request: Request, runtime: Runtime) -> None:
    """Raises Problem 429: who has a link opens it once or twice."""
    runtime.bursts.take(("sign-in link", source_of(request)))
