"""The one-time page that starts linking a vehicle, and the page to which Enode returns the browser."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import RedirectResponse, Response

from relay.gateways.enode import EnodeError
from relay.inbox.routes import get_inbox
from relay.inbox.service import Inbox
from relay.kit.client_network import get_request_network
from relay.kit.problems import Problem
from relay.pages.csrf import is_cross_site, report_refused_form
from relay.pages.rendering import get_security_headers, render_page
from relay.pages.visitors import OptionalVisitor
from relay.usecases.calls.runtime import Runtime, RuntimeDependency
from relay.usecases.linking.link_outcome import CANCELLED_BY_USER, record_return
from relay.usecases.linking.poll_link_result import poll_link_result
from relay.usecases.linking.start_link_session import (
    LinkPageClosedError,
    LinkPageView,
    find_link_page_by_token,
    start_link_session,
)

router = APIRouter(include_in_schema=False)

SEE_OTHER = 303
HTTP_STATUSES = {"open": 200, "unknown": 404, "used": 410, "expired": 410, "enode": 502}


@router.get("/link/{token}")
async def show_link_page(token: str, request: Request, runtime: RuntimeDependency) -> Response:
    """Show whose account gets the vehicle, with a button to go on. A GET doesn't use up the link."""
    link_page = await _find_link_page(request, runtime, token)
    return _render_link_page(request, runtime, link_page, link_page.state if link_page else "unknown")


@router.post("/link/{token}")
async def submit_link_page(token: str, request: Request, runtime: RuntimeDependency) -> Response:
    """Redirect to Enode's page. There is no CSRF token: only a holder of the link's own token can post here."""
    if is_cross_site(request):
        report_refused_form(request)
        raise Problem(
            403, "foreign-form", "This request is from another site. Open the link and use the button on that page."
        )
    link_page = await _find_link_page(request, runtime, token)
    if link_page is None or link_page.state != "open":
        return _render_link_page(request, runtime, link_page, link_page.state if link_page else "unknown")
    try:
        url = await start_link_session(runtime, link_page)
    except LinkPageClosedError:
        return _render_link_page(request, runtime, link_page, "used")
    except EnodeError:
        return _render_link_page(request, runtime, link_page, "enode")
    except Problem as problem:
        return _render_link_page(request, runtime, link_page, problem.slug, status=problem.status)
    return RedirectResponse(url, SEE_OTHER, headers=get_security_headers(request))


@router.get("/link-callback")
async def show_link_callback(
    request: Request,
    runtime: RuntimeDependency,
    _visitor: OptionalVisitor,
    inbox: Annotated[Inbox, Depends(get_inbox)],
    link: UUID | None = None,
    error: Annotated[str | None, Query(max_length=200)] = None,
) -> Response:
    """Show how linking ended. The vehicle itself comes from Enode's API: query parameters could be forged."""
    outcome = "linked" if error is None else "cancelled" if error == CANCELLED_BY_USER else "failed"
    if link is not None:
        _check_rate_limit(request, runtime)
        async with runtime.pool.connection() as connection:
            attempt = await record_return(connection, link, error)
        if attempt is not None:
            attempt = await poll_link_result(runtime, inbox, attempt)
            outcome = attempt.outcome or outcome
    if outcome == "linked":
        runtime.request_poll()
    return render_page(request, "link_callback.html", outcome=outcome)


async def _find_link_page(request: Request, runtime: Runtime, token: str) -> LinkPageView | None:
    _check_rate_limit(request, runtime)
    async with runtime.pool.connection() as connection:
        return await find_link_page_by_token(connection, token)


def _check_rate_limit(request: Request, runtime: Runtime) -> None:
    """Raise Problem 429 if this client has opened many link pages."""
    runtime.rate_limiter.check(("link page", get_request_network(request)))


def _render_link_page(
    request: Request, runtime: Runtime, link_page: LinkPageView | None, state: str, *, status: int | None = None
) -> Response:
    """Render the link page. The template shows account data only in the state `open`."""
    return render_page(
        request,
        "link.html",
        status=status or HTTP_STATUSES[state],
        state=state,
        link_page=link_page,
        brand=link_page and link_page.vendor and runtime.vendors.get_display_name(link_page.vendor),
        form_targets=f"'self' {runtime.link_origins}",
    )
