"""A relay below a path of its public address: a reverse proxy removes the path, and the browser's links need it."""

from starlette.types import ASGIApp, Receive, Scope, Send


def get_route_path(scope: Scope) -> str:
    """Return the path of a request without the prefix under which browsers see the relay."""
    path: str = scope["path"]
    return path.removeprefix(scope.get("root_path", ""))


class PublicPathMiddleware:
    """Middleware: add `prefix`, which the proxy has removed, to each path, so that links work in browsers.

    The port of Home Assistant's ingress has its own prefix.
    """

    def __init__(self, app: ASGIApp, *, prefix: str, ingress_port: int | None) -> None:
        self._app = app
        self._prefix = prefix
        self._ingress_port = ingress_port

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: D102 - ASGI
        server = scope.get("server")
        is_ingress = self._ingress_port is not None and server is not None and server[1] == self._ingress_port
        if scope["type"] not in {"http", "websocket"} or is_ingress:
            await self._app(scope, receive, send)
            return
        await self._app({**scope, "root_path": self._prefix, "path": self._prefix + scope["path"]}, receive, send)
