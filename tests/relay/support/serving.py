"""Serve an ASGI app on a real loopback socket, in the event loop of the test."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from socket import socket
from typing import Any, Literal

from fastapi import FastAPI

from relay.kit.http_limits import HttpLimits
from relay.server import RelayServer, open_listening_socket


@asynccontextmanager
async def serve_app(
    app: Any,
    listening: socket | None = None,
    *,
    lifespan: Literal["on", "off"] = "off",
    limits: HttpLimits | None = None,
) -> AsyncIterator[str]:
    """Serve until the block ends; yields the URL once the app answers."""
    listening = listening or open_listening_socket("127.0.0.1", 0)
    server = RelayServer(app, limits=limits, grace_seconds=1, lifespan=lifespan)
    task = asyncio.create_task(server.serve(sockets=[listening]))
    async with asyncio.timeout(30):
        while not server.started:
            assert not task.done(), "the server did not start"
            await asyncio.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        await task
        await _close_connections(server)
        listening.close()


async def _close_connections(server: RelayServer) -> None:
    """Close the connections that the server's shutdown left open: on a loaded machine its time limit is too short."""
    async with asyncio.timeout(30):
        while connections := server.server_state.connections:
            for connection in connections:
                connection.transport.abort()
            await asyncio.sleep(0.01)


@asynccontextmanager
async def serve_relay(app: FastAPI, listening: socket | None = None) -> AsyncIterator[str]:
    """Serve the relay's app until the block ends; yields its URL. Closes its streams before it stops."""
    async with serve_app(app, listening, lifespan="on") as url:
        try:
            yield url
        finally:
            app.state.runtime.hub.close()
