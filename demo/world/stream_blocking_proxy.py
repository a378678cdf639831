"""A proxy between Home Assistant and the relay that can block the event stream and nothing else."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any

from demo.world.ports import HOST

CHUNK_BYTES = 64 * 1024
STREAM_REQUEST = b"GET /api/ha/v2/stream "


class StreamBlockingProxy:
    """Forwards connections unchanged. Closes the connection of a blocked stream, as proxies without streaming do."""

    def __init__(self, port: int) -> None:
        """`port` is the relay's port on loopback."""
        self._port = port
        self._stream_writers: set[asyncio.StreamWriter] = set()
        self._blocks_streams = False
        self.rejected_streams = 0
        self.url = ""

    @property
    def open_streams(self) -> int:
        """Number of open streams."""
        return len(self._stream_writers)

    def block_streams(self) -> None:
        """Close all streams and reject new ones."""
        self._blocks_streams = True
        for writer in self._stream_writers:
            writer.close()

    def allow_streams(self) -> None:
        """Allow streams again."""
        self._blocks_streams = False

    async def handle_connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Handle one connection until it is closed."""
        with suppress(OSError):
            relay_reader, relay_writer = await asyncio.open_connection(HOST, self._port)
            requests, responses = self._forward_requests(reader, relay_writer, writer), _forward(relay_reader, writer)
            try:
                await _run_until_one_ends(requests, responses)
            finally:
                relay_writer.close()
        self._stream_writers.discard(writer)
        writer.close()

    async def _forward_requests(
        self, reader: asyncio.StreamReader, relay: asyncio.StreamWriter, client: asyncio.StreamWriter
    ) -> None:
        # Home Assistant sends each request in one chunk and does not pipeline.
        while chunk := await reader.read(CHUNK_BYTES):
            self._stream_writers.discard(client)
            if chunk.startswith(STREAM_REQUEST):
                if self._blocks_streams:
                    self.rejected_streams += 1
                    return
                self._stream_writers.add(client)
            relay.write(chunk)
            await relay.drain()


async def _forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while chunk := await reader.read(CHUNK_BYTES):
        writer.write(chunk)
        await writer.drain()


async def _run_until_one_ends(*directions: Coroutine[Any, Any, None]) -> None:
    """Run all directions until one has ended or failed."""
    tasks = [asyncio.create_task(direction) for direction in directions]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@asynccontextmanager
async def run_proxy(port: int) -> AsyncIterator[StreamBlockingProxy]:
    """Run a proxy to the relay at `port` on a free port."""
    proxy = StreamBlockingProxy(port)
    server = await asyncio.start_server(proxy.handle_connection, HOST, 0)
    proxy.url = f"http://{HOST}:{server.sockets[0].getsockname()[1]}"
    try:
        yield proxy
    finally:
        server.close()
        server.close_clients()
