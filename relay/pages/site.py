"""All pages put together, and what happens when one cannot be shown."""

from fastapi import FastAPI, Request
from fastapi.responses import Response
from fastapi.staticfiles import StaticFiles

from relay.kit.problems import TITLES, Problem, render
from relay.pages import cars, home, link, public, sign_in
from relay.pages.catalogue import WEB
from relay.pages.rendering import go, page
from relay.pages.visitors import GoElsewhereError

PAGES = (public.router, sign_in.router, home.router, link.router, cars.router)


def install(app: FastAPI) -> None:
    """Serve the pages and what they need."""
    paths = {route.path for router in PAGES for route in router.routes}  # type: ignore[attr-defined] # APIRoutes all
    for router in PAGES:
        app.include_router(router)
    app.mount("/static", StaticFiles(directory=WEB / "static"), name="static")

    async def elsewhere(request: Request, error: Exception) -> Response:
        assert isinstance(error, GoElsewhereError)  # noqa: S101 - Starlette calls by class; its signature cannot say so
        return go(request, error.path)

    async def on_problem(request: Request, error: Exception) -> Response:
        assert isinstance(error, Problem)  # noqa: S101 - as above
        route = request.scope.get("route")
        if getattr(route, "path", None) not in paths:
            return render(error)
        answer = page(
            request, "problem.html", status=error.status, title=TITLES.get(error.slug, ""), detail=error.detail
        )
        answer.headers.update(error.headers)
        return answer

    app.add_exception_handler(GoElsewhereError, elsewhere)
    app.add_exception_handler(Problem, on_problem)
