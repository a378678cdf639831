"""Forms are ours: each carries a token that only a page of ours, shown to this browser, can have put there."""

import hashlib
import hmac
import secrets

from fastapi import Request
from fastapi.responses import Response

from relay.kit.ingress import ingress_user
from relay.usecases.runtime import Runtime

SESSION = "evconduit_session"
VISIT = "evconduit_visit"
NEXT = "evconduit_next"
"""Names of cookies: who is signed in, a browser that is not, and where it wanted to go."""

_MINUTE, _HOUR = 60, 3600


def cookie_name(name: str, *, https: bool) -> str:
    """The name as the browser has it. `__Host-` keeps neighbours under the same domain from setting it for us."""
    return f"__Host-{name}" if https else name


def read_cookie(request: Request, runtime: Runtime, name: str, *, longest: int = 100) -> str | None:
    """The cookie's value; None without one. Longer ones than we ever set are not ours."""
    value = request.cookies.get(cookie_name(name, https=_is_https(request, runtime)))
    return value if value and len(value) <= longest else None


def put_cookie(response: Response, runtime: Runtime, name: str, value: str, *, seconds: int) -> None:
    """Set a cookie that no script reads and no foreign page's form sends along. Zero seconds take it away."""
    https = runtime.is_https
    response.set_cookie(
        cookie_name(name, https=https), value, max_age=seconds, path="/", secure=https, httponly=True, samesite="lax"
    )


def hand_over(request: Request, response: Response, runtime: Runtime, name: str, value: str) -> None:
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
    return runtime.is_https and ingress_user(request) is None


def csrf_token(request: Request, runtime: Runtime) -> str:
    """What forms on the page of this request must carry."""
    bound_to = _bound_to(request, runtime)
    if bound_to is None:
        bound_to = request.state.new_visit = getattr(request.state, "new_visit", None) or secrets.token_urlsafe(32)
    return _sign(runtime.key, bound_to)


def keep_visit(request: Request, response: Response, runtime: Runtime) -> None:
    """Give the browser the cookie to which the forms on this page are bound, where it had none."""
    if visit := getattr(request.state, "new_visit", None):
        put_cookie(response, runtime, VISIT, visit, seconds=24 * _HOUR)


def comes_from_elsewhere(request: Request) -> bool:
    """Whether the browser says that another site's page sent this. Browsers that say nothing are left to the token."""
    return request.headers.get("sec-fetch-site", "same-origin") not in {"same-origin", "none"}


def is_ours(request: Request, runtime: Runtime, token: str) -> bool:
    """Whether a form with this token was on a page of ours that this browser was shown."""
    if comes_from_elsewhere(request):
        return False
    bound_to = _bound_to(request, runtime)
    return bound_to is not None and hmac.compare_digest(_sign(runtime.key, bound_to).encode(), token.encode())


def _bound_to(request: Request, runtime: Runtime) -> str | None:
    user = ingress_user(request)
    if user is not None:
        return f"ingress {user}"
    return read_cookie(request, runtime, SESSION) or read_cookie(request, runtime, VISIT)


def _sign(key: bytes, bound_to: str) -> str:
    return hmac.new(key, b"form " + bound_to.encode(errors="surrogatepass"), hashlib.sha256).hexdigest()
