"""A uvicorn server that asks every connection to close when it shuts down."""

import asyncio
import socket
from typing import override

import uvicorn

ACCEPTING_STEPS = 3
"""Steps of the event loop between a connection's arrival and uvicorn's `connection_made` (two in Python 3.14)."""


class GracefulServer(uvicorn.Server):
    """Waits for connections that are being accepted before it asks all of them to close.

    uvicorn doesn't ask a connection that is being accepted at that moment: it waits for it until its time limit, and
    leaves it open.
    """

    @override
    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        loop = asyncio.get_running_loop()
        for listening in [listening for server in self.servers for listening in server.sockets]:
            loop.remove_reader(listening.fileno())  # accepts no more; closed by uvicorn
        for _ in range(ACCEPTING_STEPS):
            await asyncio.sleep(0)
        await super().shutdown(sockets)
