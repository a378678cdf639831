"""Serve the stylesheet and the images, with security headers on every answer below /static, errors included."""

import os
from functools import lru_cache
from pathlib import Path
from typing import override

from fastapi import FastAPI, Request
from fastapi.responses import FileResponse, Response
from fastapi.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from relay.pages.rendering import get_static_headers
from relay.pages.translations import WEB_DIR

STATIC_PATH = "/static"

MAX_FILES_IN_MEMORY = 64
"""More than there are."""


class StaticFilesInMemory(StaticFiles):
    """Static files that are read once. An open file for each response would need as many files as connections."""

    @override
    def file_response(
        self, full_path: str | os.PathLike[str], stat_result: os.stat_result, scope: Scope, status_code: int = 200
    ) -> Response:
        response = super().file_response(full_path, stat_result, scope, status_code)
        if not isinstance(response, FileResponse):
            return response  # the client has this version
        content = _read_file(Path(full_path), stat_result.st_mtime_ns)
        headers = {name: value for name, value in response.headers.items() if name != "accept-ranges"}
        return Response(content, status_code, headers)


@lru_cache(maxsize=MAX_FILES_IN_MEMORY)
def _read_file(path: Path, _modified_at: int) -> bytes:
    return path.read_bytes()


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
    app.mount(STATIC_PATH, StaticFilesInMemory(directory=WEB_DIR / "static"), name="static")
    app.add_middleware(StaticHeadersMiddleware)
