"""What every route needs of HTTP: the Authorization header, a bound on bodies, a mark that says whose answer it is."""

from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import Depends, Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

bearer = HTTPBearer(auto_error=False, scheme_name="API key", description="A key made by `evconduit key create`.")


# Dependencies are coroutines even where they wait for nothing: FastAPI hands a plain function to a thread, which costs
# more than all else of a request.
async def authorization_header(
    request: Request, _documented: Annotated[HTTPAuthorizationCredentials | None, Security(bearer)]
) -> str | None:
    """The header as it came; who it belongs to is decided in the database."""
    return request.headers.get("authorization")


type AuthorizationHeader = Annotated[str | None, Depends(authorization_header)]


class Mark:
    """Middleware: put the same headers on every answer, streams included."""

    def __init__(self, app: ASGIApp, headers: dict[str, str]) -> None:
        self._app = app
        self._headers = [(name.lower().encode(), value.encode()) for name, value in headers.items()]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: D102 - ASGI
        async def send_marked(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *self._headers]
            await send(message)

        await self._app(scope, receive, send_marked if scope["type"] == "http" else send)


class BodyLimit:
    """Middleware: refuse bodies over `limit` bytes, announced or not, except where `own_limit` says the route does."""

    def __init__(self, app: ASGIApp, limit: int, own_limit: Callable[[str], bool]) -> None:
        self._app = app
        self._limit = limit
        self._own_limit = own_limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: D102 - ASGI
        if scope["type"] != "http" or self._own_limit(scope["path"]):
            await self._app(scope, receive, send)
        else:
            await self._app(scope, self._counting(receive), send)

    def _counting(self, receive: Receive) -> Callable[[], Awaitable[Message]]:
        seen = 0

        async def counted() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > self._limit:
                # FastAPI turns anything else that a body raises into a 400.
                raise HTTPException(413, f"A request body may have {self._limit} bytes.")
            return message

        return counted
