"""Pages that anybody may see: what this is, and where a browser lands after a car was linked."""

from importlib.metadata import version
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, FastAPI, Query, Request
from fastapi.responses import HTMLResponse
from fastapi.staticfiles import StaticFiles
from fastapi.templating import Jinja2Templates

from relay.usecases.runtime import RuntimeDependency

# In a wheel the folder lies inside the package, in a checkout beside it.
_PACKAGE = Path(__file__).parent.parent
WEB = next(folder for folder in (_PACKAGE / "web", _PACKAGE.parent / "web") if folder.is_dir())

SECURITY_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}

router = APIRouter(include_in_schema=False)
templates = Jinja2Templates(WEB / "templates")


def install(app: FastAPI) -> None:
    """Serve the pages and what they need."""
    app.include_router(router)
    app.mount("/static", StaticFiles(directory=WEB / "static"), name="static")


@router.get("/")
async def landing(request: Request) -> HTMLResponse:
    """What this host is, for whoever opens it in a browser."""
    return _page(request, "landing.html", version=version("evconduit-relay"))


@router.get("/link-callback")
async def link_callback(
    request: Request, runtime: RuntimeDependency, error: Annotated[str | None, Query(max_length=200)] = None
) -> HTMLResponse:
    """Enode sends the browser here when linking ended. What was linked arrives as events, not in this address."""
    if error is None:
        runtime.look_soon()
    return _page(request, "link_callback.html", cancelled=error == "cancelledByUser", failed=error is not None)


def _page(request: Request, name: str, **context: object) -> HTMLResponse:
    return templates.TemplateResponse(request, name, context, headers=SECURITY_HEADERS)
