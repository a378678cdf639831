"""Names and attributes of the pages' cookies, and how to read and set them."""

from fastapi import Request
from fastapi.responses import Response

from relay.kit.ingress import find_ingress_user_id
from relay.usecases.calls.runtime import Runtime

SESSION_COOKIE = "evconduit_session"
"""Token of the browser's web session."""
VISIT_COOKIE = "evconduit_visit"
"""Random value that CSRF tokens are bound to in a browser without a session."""
NEXT_COOKIE = "evconduit_next"
"""Path to open after signing in."""

FLASH_COOKIE_SECONDS = 60


def get_cookie_name(name: str, *, https: bool) -> str:
    """Name of the cookie in the browser. Over HTTPS, `__Host-` keeps other hosts of the domain from setting it."""
    return f"__Host-{name}" if https else name


def read_cookie(request: Request, runtime: Runtime, name: str, *, max_length: int = 100) -> str | None:
    """Value of the cookie; None if it is missing, empty or longer than `max_length`, the longest that we set."""
    value = request.cookies.get(get_cookie_name(name, https=_is_https(request, runtime)))
    return value if value and len(value) <= max_length else None


def set_cookie(response: Response, runtime: Runtime, name: str, value: str, *, max_age: int) -> None:
    """Set a cookie that scripts can't read and cross-site POSTs don't carry. A `max_age` of 0 seconds deletes it."""
    https = runtime.is_https
    response.set_cookie(
        get_cookie_name(name, https=https),
        value,
        max_age=max_age,
        path="/",
        secure=https,
        httponly=True,
        samesite="lax",
    )


def set_flash_cookie(request: Request, response: Response, runtime: Runtime, name: str, value: str) -> None:
    """Set a cookie for the next page only; an empty `value` deletes it."""
    # Behind ingress, Home Assistant and other add-ons share our origin. The path keeps the cookie from them.
    path = f"{request.scope.get('root_path', '')}/"
    https = _is_https(request, runtime)
    response.set_cookie(
        get_cookie_name(name, https=https),
        value,
        max_age=FLASH_COOKIE_SECONDS if value else 0,
        path=path,
        secure=https,
        httponly=True,
        samesite="lax",
    )


def _is_https(request: Request, runtime: Runtime) -> bool:
    """Whether this browser uses HTTPS. False behind ingress, where the relay can't determine it."""
    return runtime.is_https and find_ingress_user_id(request) is None
