"""Serve the relay's app on a real loopback socket, in the test's event loop."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from socket import socket

from fastapi import FastAPI

from tests.relay.supabase_auth.running import running


@asynccontextmanager
async def serving(app: FastAPI, listening: socket | None = None) -> AsyncIterator[str]:
    """Serve until the block ends; yields the URL once the app answers. Closes its streams first."""
    async with running(app, listening, lifespan="on") as url:
        try:
            yield url
        finally:
            app.state.runtime.hub.close()
