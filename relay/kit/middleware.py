"""Middleware of every route: a size limit for request bodies, and fixed response headers."""

from collections.abc import Awaitable, Callable, Mapping

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from relay.kit.public_path import get_route_path


class ResponseHeadersMiddleware:
    """Middleware: add `headers` to every response, streams included, and those of `default_headers` that it lacks.

    A response with an ETag, which caches can revalidate, gets no default `Cache-Control`.
    """

    def __init__(self, app: ASGIApp, *, headers: Mapping[str, str], default_headers: Mapping[str, str]) -> None:
        self._app = app
        self._headers = _encode_headers(headers)
        self._default_headers = _encode_headers(default_headers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: D102 - ASGI
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = message["headers"]
                present = {name for name, _ in headers}
                if b"etag" in present:
                    present.add(b"cache-control")
                missing = [header for header in self._default_headers if header[0] not in present]
                message["headers"] = [*headers, *self._headers, *missing]
            await send(message)

        await self._app(scope, receive, send_with_headers if scope["type"] == "http" else send)


def _encode_headers(headers: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
    return [(name.lower().encode(), value.encode()) for name, value in headers.items()]


class BodyLimitMiddleware:
    """Middleware: reject bodies over `limit` bytes, with or without Content-Length.

    `is_exempt` is given the path of the route, and is true for routes that enforce a limit of their own.
    """

    def __init__(self, app: ASGIApp, limit: int, is_exempt: Callable[[str], bool]) -> None:
        self._app = app
        self._limit = limit
        self._is_exempt = is_exempt

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: D102 - ASGI
        if scope["type"] != "http" or self._is_exempt(get_route_path(scope)):
            await self._app(scope, receive, send)
        else:
            await self._app(scope, self._limit_body(receive), send)

    def _limit_body(self, receive: Receive) -> Callable[[], Awaitable[Message]]:
        received_bytes = 0

        async def receive_limited() -> Message:
            nonlocal received_bytes
            message = await receive()
            received_bytes += len(message.get("body", b""))
            if received_bytes > self._limit:
                # FastAPI turns any other exception that is raised while it reads a body into a 400.
                raise HTTPException(413, f"The request body is larger than {self._limit} bytes. Send a smaller one.")
            return message

        return receive_limited
