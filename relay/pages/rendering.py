"""Render pages: template, language, notice and security headers."""

from collections.abc import Mapping, Sequence
from functools import partial
from http import HTTPStatus
from typing import Literal

from fastapi import Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from fastapi.templating import Jinja2Templates

from relay.kit.ingress import find_ingress_user_id
from relay.kit.public_path import get_route_path
from relay.pages.cookies import read_cookie, set_flash_cookie
from relay.pages.csrf import get_csrf_token, set_visit_cookie
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
"""Flash cookie with the notice for the next page: `<kind>.<key of the text>`."""
_YEAR = 365 * 24 * 3600
_CLOSED_POLICY = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

_PAGE_SCRIPT = ("page.js",)
SCRIPTS: Mapping[str, Sequence[str]] = {
    "api_reference.html": ("swagger-ui/swagger-ui-bundle.js", "api-reference.js"),
    "charging_session_correct.html": _PAGE_SCRIPT,
    "charging_session_delete.html": _PAGE_SCRIPT,
    "charging_sessions.html": _PAGE_SCRIPT,
    "home.html": _PAGE_SCRIPT,
    "installations.html": _PAGE_SCRIPT,
    "key_made.html": _PAGE_SCRIPT,
    "landing.html": ("sign-in-return.js",),
    "sign_in.html": _PAGE_SCRIPT,
    "sign_in_link.html": _PAGE_SCRIPT,
    "sign_in_people.html": ("sign-in-return.js",),
    "usage.html": _PAGE_SCRIPT,
}
"""Scripts in web/static of the templates that have any. The policy of all other pages forbids scripts.

A page with `has_script=False` in its context has none either.
"""

type NoticeKind = Literal["good", "bad"]

_templates = Jinja2Templates(WEB_DIR / "templates")
_templates.env.trim_blocks = True
_templates.env.lstrip_blocks = True


def render_page(request: Request, template: str, /, *, status: int = 200, **context: object) -> HTMLResponse:
    """Render the template as a response.

    Besides `context` the template gets `visitor` (None if nobody is signed in), `mode`, `login_command`, `version`,
    `notice`, `path`, `at(path)` for the address of a page, `csrf` for forms, and `t`, `th`, `n`, `word`, `number`,
    `date`, `day`, `moment` and `ago` of the visitor's Translator. `form_targets` in the context is the CSP source list
    `form-action`, which also applies to redirects after a form is posted. With `connects`, the page's script may send
    requests to this relay.
    """
    runtime: Runtime = request.app.state.runtime
    visitor = getattr(request.state, "visitor", None)
    t = get_translator(request)
    scripts = SCRIPTS.get(template, ()) if context.get("has_script", True) else ()
    response = _templates.TemplateResponse(
        request,
        template,
        {
            "visitor": visitor,
            "mode": runtime.mode,
            "login_command": runtime.login_command,
            "scripts": scripts,
            "shows_usage": visitor is not None and runtime.plans.get(visitor.plan).monthly_calls is not None,
            "version": runtime.version,
            "notice": _read_notice(request, runtime),
            "path": get_page_path(request),
            "at": partial(add_root_path, request),
            "csrf": get_csrf_token(request, runtime),
            "t": t,
            "th": t.html,
            "n": t.plural,
            **{name: getattr(t, name) for name in ("word", "number", "date", "day", "moment", "ago")},
            **context,
        },
        status_code=status,
    )
    _clear_notice(request, response, runtime)
    set_visit_cookie(request, response, runtime)
    headers = get_security_headers(
        request,
        form_targets=str(context.get("form_targets", "'self'")),
        has_scripts=bool(scripts),
        connects=bool(context.get("connects")),
    )
    response.headers.update(headers)
    return response


def redirect_to(
    request: Request, path: str, *, notice: str | None = None, kind: NoticeKind = "good"
) -> RedirectResponse:
    """Redirect (303) to another page, which shows the text with the key `notice` once."""
    runtime: Runtime = request.app.state.runtime
    response = RedirectResponse(
        add_root_path(request, path), HTTPStatus.SEE_OTHER, headers=get_security_headers(request)
    )
    if notice is not None:
        set_flash_cookie(request, response, runtime, NOTICE_COOKIE, f"{kind}.{notice}")
    return response


def add_root_path(request: Request, path: str) -> str:
    """Address of a page for this browser: ingress, or the public address, adds a prefix to all paths."""
    prefix: str = request.scope.get("root_path", "")
    return prefix + path


def get_page_path(request: Request) -> str:
    """Path of this page without the prefix of ingress or of the public address."""
    return get_route_path(request.scope)


def get_translator(request: Request) -> Translator:
    """Translator for the visitor's language, else for the browser's preferred one."""
    visitor = getattr(request.state, "visitor", None)
    return choose_translator(
        [visitor.language] if visitor else parse_accept_language(request.headers.get("accept-language"))
    )


def _read_notice(request: Request, runtime: Runtime) -> tuple[str, str] | None:
    kind, _, key = (read_cookie(request, runtime, NOTICE_COOKIE) or "").partition(".")
    # Other hosts of the domain and other add-ons can forge the cookie, but they can only choose one of our notices.
    return (
        (kind, key) if kind in {"good", "bad"} and ".notice." in key and key in load_texts(DEFAULT_LANGUAGE) else None
    )


def _clear_notice(request: Request, response: Response, runtime: Runtime) -> None:
    if read_cookie(request, runtime, NOTICE_COOKIE) is not None:
        set_flash_cookie(request, response, runtime, NOTICE_COOKIE, "")


def get_security_headers(
    request: Request, *, form_targets: str = "'self'", has_scripts: bool = False, connects: bool = False
) -> Mapping[str, str]:
    """Security headers of every page: at most the relay's own scripts, no third-party content, no caching."""
    # Home Assistant shows pages from ingress in a frame. No other site may frame them.
    frames = "'none'" if find_ingress_user_id(request) is None else "'self'"
    scripts = "script-src 'self'; " if has_scripts else ""
    connections = "connect-src 'self'; " if connects else ""
    return _get_common_headers(request) | {
        "Content-Security-Policy": f"default-src 'none'; {scripts}{connections}style-src 'self'; img-src 'self'; "
        f"base-uri 'none'; form-action {form_targets}; frame-ancestors {frames}",
        "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=()",
        # Pages hold personal data and CSRF tokens, so not even the Back button may show a stored copy.
        "Cache-Control": "no-store",
    }


def get_static_headers(request: Request) -> Mapping[str, str]:
    """Security headers of static files, which browsers may cache and which load nothing themselves."""
    return _get_common_headers(request) | {
        "Content-Security-Policy": _CLOSED_POLICY,
        "Cross-Origin-Resource-Policy": "same-origin",
    }


def build_default_headers(*, is_https: bool) -> Mapping[str, str]:
    """Security headers of responses that set none: those of the API, which are data and never a document."""
    return _build_common_headers(is_https=is_https) | {
        "Content-Security-Policy": _CLOSED_POLICY,
        "Cache-Control": "no-store",
    }


def _get_common_headers(request: Request) -> dict[str, str]:
    runtime: Runtime = request.app.state.runtime
    return _build_common_headers(is_https=runtime.is_https)


def _build_common_headers(*, is_https: bool) -> dict[str, str]:
    headers = {"Referrer-Policy": "no-referrer", "X-Content-Type-Options": "nosniff"}
    if is_https:
        headers["Strict-Transport-Security"] = f"max-age={_YEAR}"
    return headers
