"""What every route needs of HTTP: a bound on bodies, and a mark that says whose answer it is."""

from collections.abc import Awaitable, Callable

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send


class ResponseHeadersMiddleware:
    """Middleware: put the same headers on every answer, streams included."""

    def __init__(self, app: ASGIApp, headers: dict[str, str]) -> None:
        self._app = app
        self._headers = [(name.lower().encode(), value.encode()) for name, value in headers.items()]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: D102 - ASGI
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *self._headers]
            await send(message)

        await self._app(scope, receive, send_with_headers if scope["type"] == "http" else send)


class BodyLimitMiddleware:
    """Middleware: refuse bodies over `limit` bytes, announced or not, except where `own_limit` says the route does."""

    def __init__(self, app: ASGIApp, limit: int, is_exempt: Callable[[str], bool]) -> None:
        self._app = app
        self._limit = limit
        self._is_exempt = is_exempt

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: D102 - ASGI
        if scope["type"] != "http" or self._is_exempt(scope["path"]):
            await self._app(scope, receive, send)
        else:
            await self._app(scope, self._limit_body(receive), send)

    def _limit_body(self, receive: Receive) -> Callable[[], Awaitable[Message]]:
        seen = 0

        async def receive_limited() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > self._limit:
                # FastAPI turns anything else that a body raises into a 400.
                raise HTTPException(413, f"A request body may have {self._limit} bytes.")
            return message

        return receive_limited
