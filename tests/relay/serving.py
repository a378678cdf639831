"""The relay's app behind a real socket on loopback, in the test's own loop."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from socket import socket

import uvicorn
from fastapi import FastAPI

from relay.server import listen


class _Quiet(uvicorn.Server):
    def install_signal_handlers(self) -> None:
        """The test run owns the signals."""


@asynccontextmanager
async def serving(app: FastAPI, listening: socket | None = None) -> AsyncIterator[str]:
    """Serve until the block ends; yields the URL once it answers."""
    listening = listening or listen("127.0.0.1", 0)
    config = uvicorn.Config(
        app, log_config=None, access_log=False, lifespan="on", ws="none", timeout_graceful_shutdown=1
    )
    server = _Quiet(config)
    running = asyncio.create_task(server.serve(sockets=[listening]))
    async with asyncio.timeout(30):
        while not server.started:
            assert not running.done(), "the relay did not start"
            await asyncio.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        app.state.runtime.hub.close()
        server.should_exit = True
        await running
        listening.close()
