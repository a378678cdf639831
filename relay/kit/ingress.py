"""Home Assistant's ingress: the add-on's second port, where the Supervisor has already authenticated the user.

A client that reaches that port could claim to be any user, so only the Supervisor's address may connect to it, and the
headers are ignored on every other port.
"""

import re

from fastapi import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from relay.kit.security_events import SecurityEvent, log_security_event

SUPERVISOR_ADDRESS = "172.30.32.2"
_INGRESS_PATH = re.compile(r"/[A-Za-z0-9_\-/]{1,200}", re.ASCII)
_USER_ID = re.compile(r"[0-9a-f]{32}", re.ASCII)
_STATE_KEY = "ingress_user"
_FORBIDDEN_BODY = b"This port only serves Home Assistant's ingress. Open the relay from Home Assistant.\n"


class IngressMiddleware:
    """Middleware: on `port`, accept only `peer` and read the user's id and the public path prefix from its headers."""

    def __init__(self, app: ASGIApp, *, port: int, peer: str = SUPERVISOR_ADDRESS) -> None:
        self._app = app
        self._port = port
        self._peer = peer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: D102 - ASGI
        server = scope.get("server")
        if scope["type"] not in {"http", "websocket"} or server is None or server[1] != self._port:
            await self._app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        user = headers.get(b"x-remote-user-id", b"").decode("latin-1")
        client = scope.get("client")
        is_supervisor = client is not None and client[0] == self._peer
        if not is_supervisor or not _USER_ID.fullmatch(user):
            log_security_event(SecurityEvent.INGRESS_REFUSED, reason="user" if is_supervisor else "address")
            await send({"type": "http.response.start", "status": 403, "headers": [(b"content-type", b"text/plain")]})
            await send({"type": "http.response.body", "body": _FORBIDDEN_BODY})
            return
        prefix = headers.get(b"x-ingress-path", b"").decode("latin-1")
        inner = {**scope, "state": {**scope.get("state", {}), _STATE_KEY: user}}
        if _INGRESS_PATH.fullmatch(prefix) and "//" not in prefix:
            inner["root_path"] = prefix.rstrip("/")
            inner["path"] = inner["root_path"] + scope["path"]
        await self._app(inner, receive, send)


def is_ingress_scope(scope: Scope) -> bool:
    """Whether a request came through ingress, by its scope within the middleware."""
    return _STATE_KEY in scope.get("state", {})


def find_ingress_user_id(request: Request) -> str | None:
    """Return Home Assistant's id of the user of an ingress request; None for a request on another port."""
    user: str | None = getattr(request.state, _STATE_KEY, None)
    return user


def is_ingress_https(request: Request) -> bool:
    """Return whether the browser of an ingress request reaches Home Assistant by HTTPS; False if that is unknown."""
    # Home Assistant sets the header to the browser's scheme. If there are several proxies, the first is the browser's.
    scheme = request.headers.get("x-forwarded-proto", "").partition(",")[0].strip().lower()
    return find_ingress_user_id(request) is not None and scheme == "https"
