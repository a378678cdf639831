"""The relay's app behind a real socket on loopback, in the test's own loop."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from socket import socket

from fastapi import FastAPI

from tests.relay.supabase_auth.running import running


@asynccontextmanager
async def serving(app: FastAPI, listening: socket | None = None) -> AsyncIterator[str]:
    """Serve until the block ends; yields the URL once it answers."""
    async with running(app, listening, lifespan="on") as url:
        try:
            yield url
        finally:
            app.state.runtime.hub.close()
