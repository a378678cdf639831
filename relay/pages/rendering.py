"""How every page is made: template, language, navigation, notice, and the headers that keep a browser safe."""

from collections.abc import Mapping
from functools import partial
from http import HTTPStatus
from importlib.metadata import version
from typing import Literal

from fastapi import Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from fastapi.templating import Jinja2Templates

from relay.kit.ingress import find_ingress_user_id
from relay.pages.csrf import get_csrf_token, read_cookie, set_flash_cookie, set_visit_cookie
from relay.pages.translations import (
    DEFAULT_LANGUAGE,
    WEB_DIR,
    Translator,
    choose_translator,
    load_texts,
    parse_accept_language,
)
from relay.usecases.calls.runtime import Runtime

NOTICE_COOKIE = "evconduit_notice"
"""The cookie with what the next page is to tell once: a kind and a key of the catalogue, no text."""
_YEAR = 365 * 24 * 3600

type NoticeKind = Literal["good", "bad"]

_templates = Jinja2Templates(WEB_DIR / "templates")
_templates.env.trim_blocks = True
_templates.env.lstrip_blocks = True


def render_page(request: Request, template: str, /, *, status: int = 200, **context: object) -> HTMLResponse:
    """The template as the answer to this request.

    A template finds there what was given, `visitor` (None: nobody is signed in), `mode`, `path`, `at(path)` for every
    address, `csrf` for forms, and `t`, `n`, `word`, `number`, `date`, `moment` and `ago` of the language.
    `form_targets` in the context widens where its forms may lead (browsers hold the redirects after them to that too).
    """
    runtime: Runtime = request.app.state.runtime
    visitor = getattr(request.state, "visitor", None)
    t = get_translator(request)
    response = _templates.TemplateResponse(
        request,
        template,
        {
            "visitor": visitor,
            "mode": runtime.mode,
            "version": version("evconduit-relay"),
            "notice": _read_notice(request, runtime),
            "path": get_page_path(request),
            "at": partial(add_root_path, request),
            "csrf": get_csrf_token(request, runtime),
            "t": t,
            "n": t.plural,
            **{it: getattr(t, it) for it in ("word", "number", "date", "moment", "ago")},
            **context,
        },
        status_code=status,
    )
    _clear_notice(request, response, runtime)
    set_visit_cookie(request, response, runtime)
    response.headers.update(get_security_headers(request, form_targets=str(context.get("form_targets", "'self'"))))
    return response


def redirect_to(
    request: Request, path: str, *, notice: str | None = None, kind: NoticeKind = "good"
) -> RedirectResponse:
    """Send the browser on to a page of ours, with a GET; that page then shows the `notice` (a key), once."""
    runtime: Runtime = request.app.state.runtime
    response = RedirectResponse(
        add_root_path(request, path), HTTPStatus.SEE_OTHER, headers=get_security_headers(request)
    )
    if notice is not None:
        set_flash_cookie(request, response, runtime, NOTICE_COOKIE, f"{kind}.{notice}")
    return response


def add_root_path(request: Request, path: str) -> str:
    """The address of a page of ours for this browser: behind ingress everything lies under a prefix."""
    prefix: str = request.scope.get("root_path", "")
    return prefix + path


def get_page_path(request: Request) -> str:
    """The path of this page, as `at` takes it."""
    path: str = request.scope["path"]
    return path.removeprefix(request.scope.get("root_path", ""))


def get_translator(request: Request) -> Translator:
    """Speaks the language of this browser's visitor, else the one that the browser prefers."""
    visitor = getattr(request.state, "visitor", None)
    return choose_translator(
        [visitor.language] if visitor else parse_accept_language(request.headers.get("accept-language"))
    )


def _read_notice(request: Request, runtime: Runtime) -> tuple[str, str] | None:
    kind, _, key = (read_cookie(request, runtime, NOTICE_COOKIE) or "").partition(".")
    # A cookie can be forged by neighbours; all they can choose is one of our notices.
    return (
        (kind, key) if kind in {"good", "bad"} and ".notice." in key and key in load_texts(DEFAULT_LANGUAGE) else None
    )


def _clear_notice(request: Request, response: Response, runtime: Runtime) -> None:
    if read_cookie(request, runtime, NOTICE_COOKIE) is not None:
        set_flash_cookie(request, response, runtime, NOTICE_COOKIE, "")


def get_security_headers(request: Request, *, form_targets: str = "'self'") -> Mapping[str, str]:
    """What every page says of itself: no scripts, no strangers, nothing kept."""
    runtime: Runtime = request.app.state.runtime
    # Home Assistant shows what comes through ingress inside a frame of its own; nobody else frames us.
    frames = "'none'" if find_ingress_user_id(request) is None else "'self'"
    headers = {
        "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; "
        f"form-action {form_targets}; frame-ancestors {frames}",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
        "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=()",
        # What belongs to somebody, or is bound to one browser, is kept by no cache; by the Back button's neither.
        "Cache-Control": "no-store",
    }
    if runtime.is_https:
        headers["Strict-Transport-Security"] = f"max-age={_YEAR}"
    return headers
