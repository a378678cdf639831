"""Access control: bearer token for Enode's API, loopback for the control API, public link pages."""

import ipaddress

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from demo.enode.engine import Engine
from demo.enode.events import VERSION
from demo.enode.problems import build_problem

PUBLIC_PATHS = frozenset({"/oauth2/token", "/health/ready"})


class AuthenticationMiddleware:
    """Rejects unauthorized requests before routing."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        refusal = _find_refusal(Request(scope)) if scope["type"] == "http" else None
        await (refusal or self._app)(scope, receive, send)


def _find_refusal(request: Request) -> JSONResponse | None:
    path = request.url.path
    if path.startswith("/_sim"):
        if _is_from_loopback(request):
            return None
        return JSONResponse(build_problem(403, "Forbidden", "The control API accepts loopback only."), 403)
    if path in PUBLIC_PATHS or path.startswith("/link/"):
        return None
    engine: Engine = request.state.engine
    if not engine.tokens.is_valid(request.headers.get("authorization", "")):
        # SIM: the body of a 401 is not published
        body = build_problem(401, "Unauthorized", "The access token is missing, unknown or expired.")
        return JSONResponse(body, 401, {"www-authenticate": "Bearer"})
    if request.headers.get("enode-version", VERSION) != VERSION:  # SIM: Enode also supports older versions
        return JSONResponse(build_problem(400, "Bad Request", f"Only Enode-Version {VERSION} is supported."), 400)
    return None


def _is_from_loopback(request: Request) -> bool:
    if request.client is None:
        return False
    try:
        return ipaddress.ip_address(request.client.host).is_loopback
    except ValueError:
        return False
