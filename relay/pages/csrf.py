"""CSRF tokens of forms: an HMAC of the browser's session, of its visit cookie, or of its ingress user.

The HMAC covers which of the three it is. Browsers send cookies of any value, so a visit cookie that holds the id of an
ingress user must not yield that user's token.
"""

import hashlib
import hmac
import secrets
from typing import Literal

from fastapi import Request
from fastapi.responses import Response

from relay.kit.ingress import find_ingress_user_id
from relay.kit.security_events import SecurityEvent, log_security_event
from relay.pages.cookies import SESSION_COOKIE, VISIT_COOKIE, read_cookie, set_cookie
from relay.usecases.calls.runtime import Runtime

VISIT_COOKIE_SECONDS = 24 * 3600

type TokenBinding = tuple[Literal["session", "visit", "ingress"], str]
"""What a token is bound to: the kind, and the cookie's value or the user's id."""


def get_csrf_token(request: Request, runtime: Runtime) -> str:
    """Token for the forms on the page that answers this request.

    For a browser without session and visit cookie it is bound to a new visit, which `set_visit_cookie` stores.
    """
    binding = _find_token_binding(request, runtime) or _begin_visit(request)
    return _sign_binding(runtime.secret_key, binding)


def set_visit_cookie(request: Request, response: Response, runtime: Runtime) -> None:
    """Set the visit cookie if `get_csrf_token` began a new visit."""
    if visit := getattr(request.state, "new_visit", None):
        set_cookie(request, response, runtime, VISIT_COOKIE, visit, max_age=VISIT_COOKIE_SECONDS)


def is_cross_site(request: Request) -> bool:
    """Whether `Sec-Fetch-Site` shows that another site sent this request. False without that header."""
    return request.headers.get("sec-fetch-site", "same-origin") not in {"same-origin", "none"}


def is_valid_csrf_token(request: Request, runtime: Runtime, token: str) -> bool:
    """Whether this same-site request carries the token of a page that this browser received."""
    if is_cross_site(request):
        return False
    binding = _find_token_binding(request, runtime)
    return binding is not None and hmac.compare_digest(
        _sign_binding(runtime.secret_key, binding).encode(), token.encode()
    )


def report_refused_form(request: Request) -> None:
    """Log a security event for a form without the token of this browser, or from another site."""
    # The path may contain the token of a link, so the log gets the route only.
    route = getattr(request.scope.get("route"), "path", "unknown")
    log_security_event(SecurityEvent.FORM_TOKEN_REFUSED, route=route)


def _find_token_binding(request: Request, runtime: Runtime) -> TokenBinding | None:
    ingress_user_id = find_ingress_user_id(request)
    if ingress_user_id is not None:
        return "ingress", ingress_user_id
    if session := read_cookie(request, runtime, SESSION_COOKIE):
        return "session", session
    visit = read_cookie(request, runtime, VISIT_COOKIE)
    return None if visit is None else ("visit", visit)


def _begin_visit(request: Request) -> TokenBinding:
    """Begin a visit, or continue the one that another form on the same page began."""
    visit = request.state.new_visit = getattr(request.state, "new_visit", None) or secrets.token_urlsafe(32)
    return "visit", visit


def _sign_binding(key: bytes, binding: TokenBinding) -> str:
    kind, value = binding
    message = f"form {kind} {value}".encode(errors="surrogatepass")  # no kind contains a space
    return hmac.new(key, message, hashlib.sha256).hexdigest()
