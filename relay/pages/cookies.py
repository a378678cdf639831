"""Names and attributes of the pages' cookies, and how to read and set them.

Over HTTPS, a name has a prefix that browsers enforce (draft-ietf-httpbis-rfc6265bis, section 4.1.3). It is `__Host-`
where the relay has its host to itself, so that no other host of the domain can set the cookie. Below a path, behind
Home Assistant's ingress or a reverse proxy, it is `__Secure-`, because `__Host-` forbids a path. The path keeps the
cookie from the other applications of that host.
"""

from fastapi import Request
from fastapi.responses import Response

from relay.kit.ingress import find_ingress_user_id, is_ingress_https
from relay.usecases.calls.runtime import Runtime

SESSION_COOKIE = "evconduit_session"
"""Token of the browser's web session."""
VISIT_COOKIE = "evconduit_visit"
"""Random value that CSRF tokens are bound to in a browser without a session."""
NEXT_COOKIE = "evconduit_next"
"""Path to open after signing in."""

FLASH_COOKIE_SECONDS = 60


def get_cookie_name(request: Request, runtime: Runtime, name: str) -> str:
    """Name of the cookie in this browser."""
    if not _is_https(request, runtime):
        return name
    has_own_host = find_ingress_user_id(request) is None and _get_cookie_path(request) == "/"
    return f"__Host-{name}" if has_own_host else f"__Secure-{name}"


def read_cookie(request: Request, runtime: Runtime, name: str, *, max_length: int = 100) -> str | None:
    """Value of the cookie; None if it is missing, empty or longer than `max_length`, the longest that we set."""
    value = request.cookies.get(get_cookie_name(request, runtime, name))
    return value if value and len(value) <= max_length else None


def set_cookie(  # noqa: PLR0913 - what a cookie is made of
    request: Request, response: Response, runtime: Runtime, name: str, value: str, *, max_age: int
) -> None:
    """Set a cookie that scripts can't read and cross-site POSTs don't carry. A `max_age` of 0 seconds deletes it."""
    response.set_cookie(
        get_cookie_name(request, runtime, name),
        value,
        max_age=max_age,
        path=_get_cookie_path(request),
        secure=_is_https(request, runtime),
        httponly=True,
        samesite="lax",
    )


def set_flash_cookie(request: Request, response: Response, runtime: Runtime, name: str, value: str) -> None:
    """Set a cookie for the next page only; an empty `value` deletes it."""
    set_cookie(request, response, runtime, name, value, max_age=FLASH_COOKIE_SECONDS if value else 0)


def _get_cookie_path(request: Request) -> str:
    return f"{request.scope.get('root_path', '')}/"


def _is_https(request: Request, runtime: Runtime) -> bool:
    """Whether this browser uses HTTPS; behind ingress, whether it reaches Home Assistant by HTTPS."""
    if find_ingress_user_id(request) is not None:
        return is_ingress_https(request)
    return runtime.is_https
