"""Any ASGI app behind a real socket on loopback, in the test's own loop."""

import asyncio
from contextlib import asynccontextmanager

import uvicorn

from relay.server import listen


class _Quiet(uvicorn.Server):
    def install_signal_handlers(self):
        """The test run owns the signals."""


@asynccontextmanager
async def running(app):
    """Serve until the block ends; yields the URL once it answers."""
    listening = listen("127.0.0.1", 0)
    server = _Quiet(
        uvicorn.Config(app, log_config=None, access_log=False, lifespan="off", ws="none", timeout_graceful_shutdown=1)
    )
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
        listening.close()
