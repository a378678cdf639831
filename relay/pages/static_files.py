"""Serve the stylesheet and the images, with security headers on every answer below /static, errors included."""

from fastapi import FastAPI, Request
from fastapi.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from relay.pages.rendering import get_static_headers
from relay.pages.translations import WEB_DIR

STATIC_PATH = "/static"


class StaticHeadersMiddleware:
    """Middleware: add the security headers to answers below STATIC_PATH, also to those of error handlers."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: D102 - ASGI
        if scope["type"] != "http" or not scope["path"].startswith(f"{STATIC_PATH}/"):
            await self._app(scope, receive, send)
            return
        headers = [
            (name.lower().encode(), value.encode()) for name, value in get_static_headers(Request(scope)).items()
        ]

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *headers]
            await send(message)

        await self._app(scope, receive, send_with_headers)


def install_static_files(app: FastAPI) -> None:
    """Add the static files to the app. Call it after the middlewares that change the path."""
    app.mount(STATIC_PATH, StaticFiles(directory=WEB_DIR / "static"), name="static")
    app.add_middleware(StaticHeadersMiddleware)
