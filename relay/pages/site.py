"""All pages put together, and what happens when one cannot be shown."""

from fastapi import FastAPI, Request
from fastapi.responses import Response
from fastapi.staticfiles import StaticFiles

from relay.kit.problems import TITLES, Problem
from relay.pages import (
    callback,
    cars,
    consent,
    home,
    installations,
    keys,
    link,
    profile,
    public,
    reference,
    register,
    sign_in,
    terms,
    usage,
)
from relay.pages.catalogue import FIRST, WEB, texts
from relay.pages.rendering import go, page, path_of
from relay.pages.visitors import GoElsewhereError

PAGES = (
    public.router,
    sign_in.router,
    callback.router,
    register.router,
    terms.router,
    home.router,
    installations.router,
    keys.router,
    usage.router,
    profile.router,
    link.router,
    cars.router,
    consent.router,
)
PATHS = frozenset(route.path for router in PAGES for route in router.routes)  # type: ignore[attr-defined] # APIRoutes all

GENERAL = frozenset(
    {
        *("forbidden", "not-found", "method-not-allowed", "invalid-request", "too-large", "too-many-requests"),
        *("enode-unavailable", "unavailable", "internal", "unauthorized"),
    }
)
"""Slugs that say no more than their status; a page says that in its own words."""


def install(app: FastAPI) -> None:
    """Serve the pages and what they need."""
    for router in PAGES:
        app.include_router(router)
    app.include_router(reference.router)
    app.mount("/static", StaticFiles(directory=WEB / "static"), name="static")
    app.add_exception_handler(GoElsewhereError, _elsewhere)


def as_page(request: Request, problem: Problem) -> Response | None:
    """The problem as a page, where a page was asked for; None where the API's form of it is right."""
    if not _wants_page(request):
        return None
    answer = page(request, "problem.html", status=problem.status, code=problem.status, **_words(problem))
    answer.headers.update(problem.headers)
    return answer


async def _elsewhere(request: Request, error: Exception) -> Response:
    assert isinstance(error, GoElsewhereError)  # noqa: S101 - Starlette calls by class; its signature cannot say so
    return go(request, error.path)


def _wants_page(request: Request) -> bool:
    route = request.scope.get("route")
    if route is not None:
        return getattr(route, "path", None) in PATHS
    is_elsewhere = path_of(request).startswith(("/api/", "/static/"))
    return not is_elsewhere and "text/html" in request.headers.get("accept", "")


def _words(problem: Problem) -> dict[str, str]:
    """What the page says: the catalogue's words where it has some for this slug, else the problem's own, in English."""
    for about in (problem.slug, *((str(problem.status), "other") if problem.slug in GENERAL else ())):
        if f"problem.{about}.title" in texts(FIRST):
            return {"about": about}
    return {"title": TITLES.get(problem.slug, problem.slug), "detail": problem.detail}
