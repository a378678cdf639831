"""Routers of all pages, and problems rendered as pages."""

from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import Response

from relay.kit.problems import TITLES, Problem
from relay.pages import (
    api_reference,
    charging_sessions,
    consent,
    home,
    installations,
    keys,
    landing,
    link_page,
    profile,
    usage,
    vehicles,
)
from relay.pages.rendering import get_page_path, redirect_to, render_page
from relay.pages.sign_in import confirmation, owner_link, register, sign_in_page, terms, with_supabase
from relay.pages.static_files import StaticFilesInMemory, install_static_files
from relay.pages.translations import DEFAULT_LANGUAGE, load_texts
from relay.pages.visitors import RedirectRequiredError

ROUTERS = (
    landing.router,
    sign_in_page.router,
    owner_link.router,
    with_supabase.router,
    confirmation.router,
    register.router,
    terms.router,
    home.router,
    charging_sessions.router,
    installations.router,
    keys.router,
    usage.router,
    profile.router,
    link_page.router,
    vehicles.router,
    consent.router,
)
# Included once in each process, like the API's routes in relay/app.py.
PAGES = APIRouter()
for _router in (*ROUTERS, api_reference.router):
    PAGES.include_router(_router)
PAGE_PATHS = frozenset(route.path for router in ROUTERS for route in router.routes)  # type: ignore[attr-defined] # APIRoutes all

REFERENCE_PATH = "/api/docs"
PREFIXES_OF_OTHER_ROUTES = ("/api/", "/static/", "/.well-known/")
OTHER_PATHS = frozenset({"/metrics", "/oauth/token", "/oauth/revoke"})

GENERIC_SLUGS = frozenset(
    {
        *("forbidden", "not-found", "method-not-allowed", "invalid-request", "too-large", "too-many-requests"),
        *("enode-unavailable", "unavailable", "internal", "unauthorized"),
    }
)
"""Slugs that say no more than their status: pages show a translated text for the status instead of the detail."""


def install_pages(app: FastAPI) -> None:
    """Add the pages, static files and handlers to the app."""
    app.router.routes.extend(PAGES.routes)
    app.mount(
        api_reference.SWAGGER_UI_PATH, StaticFilesInMemory(directory=api_reference.SWAGGER_UI_DIR), name="swagger-ui"
    )
    install_static_files(app)
    app.add_exception_handler(RedirectRequiredError, _handle_redirect)


def is_page_path(path: str) -> bool:
    """Whether a path without the public prefix is that of a page, or of nothing: browsers then get an error page."""
    if path == REFERENCE_PATH or path.startswith(REFERENCE_PATH + "/"):
        return True
    return path.rstrip("/") not in OTHER_PATHS and not path.startswith(PREFIXES_OF_OTHER_ROUTES)


def render_problem_page(request: Request, problem: Problem) -> Response | None:
    """Render the problem as a page if the request was for a page; None if it was for the API."""
    if not _is_page_request(request):
        return None
    response = render_page(
        request, "problem.html", status=problem.status, code=problem.status, **_get_problem_texts(problem)
    )
    response.headers.update(problem.headers)
    return response


async def _handle_redirect(request: Request, error: Exception) -> Response:
    assert isinstance(error, RedirectRequiredError)  # noqa: S101 - Starlette selects handlers by class
    return redirect_to(request, error.path)


def _is_page_request(request: Request) -> bool:
    route = request.scope.get("route")
    if route is not None:
        return getattr(route, "path", None) in PAGE_PATHS
    is_api_or_static = get_page_path(request).startswith(("/api/", "/static/"))
    return not is_api_or_static and "text/html" in request.headers.get("accept", "")


def _get_problem_texts(problem: Problem) -> dict[str, str]:
    """Context for problem.html: the key of a translated text for this slug, else the problem's own English text."""
    for key in (problem.slug, *((str(problem.status), "other") if problem.slug in GENERIC_SLUGS else ())):
        if f"problem.{key}.title" in load_texts(DEFAULT_LANGUAGE):
            return {"problem_key": key}
    return {"title": TITLES.get(problem.slug, problem.slug), "detail": problem.detail}
