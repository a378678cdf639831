"""Forms are ours: each carries a token that only a page of ours, shown to this browser, can have put there."""

import hashlib
import hmac
import secrets

from fastapi import Request
from fastapi.responses import Response

from relay.kit.ingress import find_ingress_user_id
from relay.usecases.calls.runtime import Runtime

SESSION_COOKIE = "evconduit_session"
VISIT_COOKIE = "evconduit_visit"
NEXT_COOKIE = "evconduit_next"
"""Names of cookies: who is signed in, a browser that is not, and where it wanted to go."""

_MINUTE, _HOUR = 60, 3600


def cookie_name(name: str, *, https: bool) -> str:
    """The name as the browser has it. `__Host-` keeps neighbours under the same domain from setting it for us."""
    return f"__Host-{name}" if https else name


def read_cookie(request: Request, runtime: Runtime, name: str, *, max_length: int = 100) -> str | None:
    """The cookie's value; None without one. Longer ones than we ever set are not ours."""
    value = request.cookies.get(cookie_name(name, https=_is_https(request, runtime)))
    return value if value and len(value) <= max_length else None


def set_cookie(response: Response, runtime: Runtime, name: str, value: str, *, max_age: int) -> None:
    """Set a cookie that no script reads and no foreign page's form sends along. Zero seconds take it away."""
    https = runtime.is_https
    response.set_cookie(
        cookie_name(name, https=https), value, max_age=max_age, path="/", secure=https, httponly=True, samesite="lax"
    )


def set_flash_cookie(request: Request, response: Response, runtime: Runtime, name: str, value: str) -> None:
    """Set a cookie for the next page of ours alone; empty takes it away."""
    # Behind ingress, Home Assistant and other add-ons share our origin: they are told nothing.
    path = f"{request.scope.get('root_path', '')}/"
    https = _is_https(request, runtime)
    response.set_cookie(
        cookie_name(name, https=https),
        value,
        max_age=_MINUTE if value else 0,
        path=path,
        secure=https,
        httponly=True,
        samesite="lax",
    )


def _is_https(request: Request, runtime: Runtime) -> bool:
    """Whether this browser surely reaches us over TLS. Behind ingress only Home Assistant knows how it is reached."""
    return runtime.is_https and find_ingress_user_id(request) is None


def get_csrf_token(request: Request, runtime: Runtime) -> str:
    """What forms on the page of this request must carry."""
    bound_to = _get_token_binding(request, runtime)
    if bound_to is None:
        bound_to = request.state.new_visit = getattr(request.state, "new_visit", None) or secrets.token_urlsafe(32)
    return _sign_binding(runtime.secret_key, bound_to)


def set_visit_cookie(request: Request, response: Response, runtime: Runtime) -> None:
    """Give the browser the cookie to which the forms on this page are bound, where it had none."""
    if visit := getattr(request.state, "new_visit", None):
        set_cookie(response, runtime, VISIT_COOKIE, visit, max_age=24 * _HOUR)


def is_cross_site(request: Request) -> bool:
    """Whether the browser says that another site's page sent this. Browsers that say nothing are left to the token."""
    return request.headers.get("sec-fetch-site", "same-origin") not in {"same-origin", "none"}


def is_valid_csrf_token(request: Request, runtime: Runtime, token: str) -> bool:
    """Whether a form with this token was on a page of ours that this browser was shown."""
    if is_cross_site(request):
        return False
    bound_to = _get_token_binding(request, runtime)
    return bound_to is not None and hmac.compare_digest(
        _sign_binding(runtime.secret_key, bound_to).encode(), token.encode()
    )


def _get_token_binding(request: Request, runtime: Runtime) -> str | None:
    user = find_ingress_user_id(request)
    if user is not None:
        return f"ingress {user}"
    return read_cookie(request, runtime, SESSION_COOKIE) or read_cookie(request, runtime, VISIT_COOKIE)


def _sign_binding(key: bytes, binding: str) -> str:
    return hmac.new(key, b"form " + binding.encode(errors="surrogatepass"), hashlib.sha256).hexdigest()
