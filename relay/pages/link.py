"""The way to a linked car: our one-time page, which says whose account gets it, and where Enode sends people back."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import RedirectResponse, Response

from relay.gateways.enode import EnodeError
from relay.inbox.routes import get_inbox
from relay.inbox.service import Inbox
from relay.kit.problems import Problem
from relay.pages.csrf import comes_from_elsewhere
from relay.pages.rendering import page, safe_headers
from relay.pages.visitors import MaybeVisitor
from relay.usecases.follow_link import LEFT, follow_link, note_return
from relay.usecases.open_link import LinkPageClosedError, ShownLink, look_at_link, open_link
from relay.usecases.runtime import Runtime, RuntimeDependency

router = APIRouter(include_in_schema=False)

SEE_OTHER = 303
STATUS = {"open": 200, "unknown": 404, "used": 410, "expired": 410, "enode": 502}


@router.get("/link/{token}")
async def show_link(token: str, request: Request, runtime: RuntimeDependency) -> Response:
    """Whose account gets the car, and the button that leads on. Looking uses nothing up."""
    shown = await _look(request, runtime, token)
    return _page(request, runtime, shown, shown.state if shown else "unknown")


@router.post("/link/{token}")
async def press_link(token: str, request: Request, runtime: RuntimeDependency) -> Response:
    """On to Enode's page. No other token is asked for: who could forge this request has the one that entitles."""
    if comes_from_elsewhere(request):
        raise Problem(403, "foreign-form", "Press the button on the page itself: it says whose account gets the car.")
    shown = await _look(request, runtime, token)
    if shown is None or shown.state != "open":
        return _page(request, runtime, shown, shown.state if shown else "unknown")
    try:
        url = await open_link(runtime, shown)
    except LinkPageClosedError:
        return _page(request, runtime, shown, "used")
    except EnodeError:
        return _page(request, runtime, shown, "enode")
    except Problem as problem:
        return _page(request, runtime, shown, problem.slug, status=problem.status)
    return RedirectResponse(url, SEE_OTHER, headers=safe_headers(request))


@router.get("/link-callback")
async def link_callback(
    request: Request,
    runtime: RuntimeDependency,
    _visitor: MaybeVisitor,
    inbox: Annotated[Inbox, Depends(get_inbox)],
    link: UUID | None = None,
    error: Annotated[str | None, Query(max_length=200)] = None,
) -> Response:
    """Enode sends the browser here when linking ended. What was linked, Enode itself tells, not this address."""
    outcome = "linked" if error is None else "cancelled" if error == LEFT else "failed"
    if link is not None:
        _limit(request, runtime)
        async with runtime.pool.connection() as connection:
            known = await note_return(connection, link, error)
        if known is not None:
            known = await follow_link(runtime, inbox, known)
            outcome = known.outcome or outcome
    if outcome == "linked":
        runtime.look_soon()
    return page(request, "link_callback.html", outcome=outcome)


async def _look(request: Request, runtime: Runtime, token: str) -> ShownLink | None:
    _limit(request, runtime)
    async with runtime.pool.connection() as connection:
        return await look_at_link(connection, token)


def _limit(request: Request, runtime: Runtime) -> None:
    """Raises Problem 429: nobody needs to open many of these pages."""
    runtime.bursts.take(("link page", request.client and request.client.host))


def _page(
    request: Request, runtime: Runtime, shown: ShownLink | None, state: str, *, status: int | None = None
) -> Response:
    """Nothing of the account is shown on a page that is no longer good."""
    return page(
        request,
        "link.html",
        status=status or STATUS[state],
        state=state,
        shown=shown,
        brand=shown and shown.vendor and runtime.vendors.title(shown.vendor),
        form_targets=f"'self' {runtime.link_origins}",
    )
