"""All pages put together, and what happens when one cannot be shown."""

from fastapi import FastAPI, Request
from fastapi.responses import Response
from fastapi.staticfiles import StaticFiles

from relay.kit.problems import TITLES, Problem
from relay.pages import (
    api_reference,
    consent,
    home,
    installations,
    keys,
    landing,
    link_page,
    profile,
    register,
    sign_in,
    supabase_sign_in,
    terms,
    usage,
    vehicles,
)
from relay.pages.rendering import get_page_path, redirect_to, render_page
from relay.pages.translations import DEFAULT_LANGUAGE, WEB_DIR, load_texts
from relay.pages.visitors import RedirectRequiredError

ROUTERS = (
    landing.router,
    sign_in.router,
    supabase_sign_in.router,
    register.router,
    terms.router,
    home.router,
    installations.router,
    keys.router,
    usage.router,
    profile.router,
    link_page.router,
    vehicles.router,
    consent.router,
)
PAGE_PATHS = frozenset(route.path for router in ROUTERS for route in router.routes)  # type: ignore[attr-defined] # APIRoutes all

GENERIC_SLUGS = frozenset(
    {
        *("forbidden", "not-found", "method-not-allowed", "invalid-request", "too-large", "too-many-requests"),
        *("enode-unavailable", "unavailable", "internal", "unauthorized"),
    }
)
"""Slugs that say no more than their status; a page says that in its own words."""


def install_pages(app: FastAPI) -> None:
    """Serve the pages and what they need."""
    for router in ROUTERS:
        app.include_router(router)
    app.include_router(api_reference.router)
    app.mount("/static", StaticFiles(directory=WEB_DIR / "static"), name="static")
    app.add_exception_handler(RedirectRequiredError, _handle_redirect)


def render_problem_page(request: Request, problem: Problem) -> Response | None:
    """The problem as a page, where a page was asked for; None where the API's form of it is right."""
    if not _is_page_request(request):
        return None
    answer = render_page(
        request, "problem.html", status=problem.status, code=problem.status, **_get_problem_texts(problem)
    )
    answer.headers.update(problem.headers)
    return answer


async def _handle_redirect(request: Request, error: Exception) -> Response:
    assert isinstance(error, RedirectRequiredError)  # noqa: S101 - Starlette calls by class; its signature cannot say so
    return redirect_to(request, error.path)


def _is_page_request(request: Request) -> bool:
    route = request.scope.get("route")
    if route is not None:
        return getattr(route, "path", None) in PAGE_PATHS
    is_elsewhere = get_page_path(request).startswith(("/api/", "/static/"))
    return not is_elsewhere and "text/html" in request.headers.get("accept", "")


def _get_problem_texts(problem: Problem) -> dict[str, str]:
    """What the page says: the catalogue's words where it has some for this slug, else the problem's own, in English."""
    for about in (problem.slug, *((str(problem.status), "other") if problem.slug in GENERIC_SLUGS else ())):
        if f"problem.{about}.title" in load_texts(DEFAULT_LANGUAGE):
            return {"about": about}
    return {"title": TITLES.get(problem.slug, problem.slug), "detail": problem.detail}
