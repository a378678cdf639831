"""How a page becomes an answer: its template, its language, the headers that keep it safe."""

from collections.abc import Mapping
from functools import partial

from fastapi import Request
from fastapi.responses import HTMLResponse, RedirectResponse
from fastapi.templating import Jinja2Templates

from relay.kit.ingress import ingress_user
from relay.pages.catalogue import WEB, accepted, choose
from relay.pages.csrf import csrf_token, keep_visit
from relay.pages.visitors import Visitor
from relay.usecases.runtime import Runtime

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self' data:; base-uri 'none'; form-action {targets}; "
    "frame-ancestors {frames}"
)

templates = Jinja2Templates(WEB / "templates")
templates.env.trim_blocks = templates.env.lstrip_blocks = True


def page(request: Request, name: str, *, status: int = 200, **context: object) -> HTMLResponse:
    """The page of this template. It finds there what was given, and `t`, `at`, `csrf`, `visitor`, `path`, `mode`.

    `form_targets` in the context widens where its forms may lead (browsers hold the redirects after them to that too).
    """
    runtime: Runtime = request.app.state.runtime
    visitor: Visitor | None = getattr(request.state, "visitor", None)
    wanted = [visitor.language] if visitor else accepted(request.headers.get("accept-language"))
    filled = {
        "t": choose(wanted),
        "at": partial(at, request),
        "csrf": csrf_token(request, runtime),
        "visitor": visitor,
        "path": _path(request),
        "mode": runtime.mode,
        **context,
    }
    headers = safe_headers(request, targets=str(context.get("form_targets", "'self'")))
    answer = templates.TemplateResponse(request, name, filled, status_code=status, headers=headers)
    keep_visit(request, answer, runtime)
    return answer


def at(request: Request, path: str) -> str:
    """The address of one of our pages as this browser reaches it: through ingress behind a prefix."""
    return f"{request.scope.get('root_path', '')}{path}"


def go(request: Request, path: str) -> RedirectResponse:
    """Send the browser to another page of ours, with a GET."""
    return RedirectResponse(at(request, path), status_code=303, headers=safe_headers(request))


def safe_headers(request: Request, *, targets: str = "'self'") -> Mapping[str, str]:
    """What every page says of itself: no scripts, no strangers, nothing kept."""
    runtime: Runtime = request.app.state.runtime
    # Home Assistant shows the add-on's pages in a frame of its own origin.
    frames = "'none'" if ingress_user(request) is None else "'self'"
    headers = {
        "Content-Security-Policy": CONTENT_SECURITY_POLICY.format(targets=targets, frames=frames),
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Permissions-Policy": "geolocation=(), camera=(), microphone=()",
        "Cache-Control": "no-store",
    }
    if runtime.is_https:
        headers["Strict-Transport-Security"] = "max-age=31536000"
    return headers


def _path(request: Request) -> str:
    whole: str = request.scope["path"]
    return whole.removeprefix(request.scope.get("root_path", ""))
