"""How every page is made: template, language, navigation, notice, and the headers that keep a browser safe."""

from collections.abc import Mapping
from functools import partial
from http import HTTPStatus
from importlib.metadata import version
from typing import Literal

from fastapi import Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from fastapi.templating import Jinja2Templates

from relay.kit.ingress import ingress_user
from relay.pages.catalogue import FIRST, WEB, Translator, accepted, choose, texts
from relay.pages.csrf import csrf_token, hand_over, keep_visit, read_cookie
from relay.usecases.runtime import Runtime

NOTICE = "evconduit_notice"
"""The cookie with what the next page is to tell once: a kind and a key of the catalogue, no text."""
_YEAR = 365 * 24 * 3600

type Kind = Literal["good", "bad"]

_templates = Jinja2Templates(WEB / "templates")
_templates.env.trim_blocks = True
_templates.env.lstrip_blocks = True


def page(request: Request, template: str, /, *, status: int = 200, **context: object) -> HTMLResponse:
    """The template as the answer to this request.

    A template finds there what was given, `visitor` (None: nobody is signed in), `mode`, `path`, `at(path)` for every
    address, `csrf` for forms, and `t`, `n`, `word`, `number`, `date`, `moment` and `ago` of the language.
    `form_targets` in the context widens where its forms may lead (browsers hold the redirects after them to that too).
    """
    runtime: Runtime = request.app.state.runtime
    visitor = getattr(request.state, "visitor", None)
    t = translator(request)
    response = _templates.TemplateResponse(
        request,
        template,
        {
            "visitor": visitor,
            "mode": runtime.mode,
            "version": version("evconduit-relay"),
            "notice": _notice(request, runtime),
            "path": path_of(request),
            "at": partial(at, request),
            "csrf": csrf_token(request, runtime),
            "t": t,
            "n": t.plural,
            **{it: getattr(t, it) for it in ("word", "number", "date", "moment", "ago")},
            **context,
        },
        status_code=status,
    )
    _forget_notice(request, response, runtime)
    keep_visit(request, response, runtime)
    response.headers.update(safe_headers(request, targets=str(context.get("form_targets", "'self'"))))
    return response


def go(request: Request, path: str, *, notice: str | None = None, kind: Kind = "good") -> RedirectResponse:
    """Send the browser on to a page of ours, with a GET; that page then shows the `notice` (a key), once."""
    runtime: Runtime = request.app.state.runtime
    response = RedirectResponse(at(request, path), HTTPStatus.SEE_OTHER, headers=safe_headers(request))
    if notice is not None:
        hand_over(request, response, runtime, NOTICE, f"{kind}.{notice}")
    return response


def at(request: Request, path: str) -> str:
    """The address of a page of ours for this browser: behind ingress everything lies under a prefix."""
    prefix: str = request.scope.get("root_path", "")
    return prefix + path


def path_of(request: Request) -> str:
    """The path of this page, as `at` takes it."""
    path: str = request.scope["path"]
    return path.removeprefix(request.scope.get("root_path", ""))


def translator(request: Request) -> Translator:
    """Speaks the language of this browser's visitor, else the one that the browser prefers."""
    visitor = getattr(request.state, "visitor", None)
    return choose([visitor.language] if visitor else accepted(request.headers.get("accept-language")))


def _notice(request: Request, runtime: Runtime) -> tuple[str, str] | None:
    kind, _, key = (read_cookie(request, runtime, NOTICE) or "").partition(".")
    # A cookie can be forged by neighbours; all they can choose is one of our notices.
    return (kind, key) if kind in {"good", "bad"} and ".notice." in key and key in texts(FIRST) else None


def _forget_notice(request: Request, response: Response, runtime: Runtime) -> None:
    if read_cookie(request, runtime, NOTICE) is not None:
        hand_over(request, response, runtime, NOTICE, "")


def safe_headers(request: Request, *, targets: str = "'self'") -> Mapping[str, str]:
    """What every page says of itself: no scripts, no strangers, nothing kept."""
    runtime: Runtime = request.app.state.runtime
    # Home Assistant shows what comes through ingress inside a frame of its own; nobody else frames us.
    frames = "'none'" if ingress_user(request) is None else "'self'"
    headers = {
        "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; "
        f"form-action {targets}; frame-ancestors {frames}",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
        "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=()",
        # What belongs to somebody, or is bound to one browser, is kept by no cache; by the Back button's neither.
        "Cache-Control": "no-store",
    }
    if runtime.is_https:
        headers["Strict-Transport-Security"] = f"max-age={_YEAR}"
    return headers
