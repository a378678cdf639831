"""A gate between Home Assistant and the relay, which lets everything through, but the stream only while it may."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any

from demo.world.ports import HOST

CHUNK_BYTES = 64 * 1024
STREAM_REQUEST = b"GET /api/ha/v2/stream "


class StreamBlockingProxy:
    """Forwards connections byte by byte. A barred stream's connection is cut, as a proxy that cannot stream does."""

    def __init__(self, port: int) -> None:
        """`port`: the relay's, on loopback."""
        self._port = port
        self._stream_writers: set[asyncio.StreamWriter] = set()
        self._blocks_streams = False
        self.rejected_streams = 0
        self.url = ""

    @property
    def open_streams(self) -> int:
        """How many streams are open."""
        return len(self._stream_writers)

    def block_streams(self) -> None:
        """Cut the streams, and let no new one through."""
        self._blocks_streams = True
        for writer in self._stream_writers:
            writer.close()

    def allow_streams(self) -> None:
        """Let streams through again."""
        self._blocks_streams = False

    async def handle_connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, to its end."""
        with suppress(OSError):
            up_reader, up_writer = await asyncio.open_connection(HOST, self._port)
            there, back = self._forward_requests(reader, up_writer, writer), _forward(up_reader, writer)
            try:
                await _run_until_one_ends(there, back)
            finally:
                up_writer.close()
        self._stream_writers.discard(writer)
        writer.close()

    async def _forward_requests(
        self, reader: asyncio.StreamReader, up: asyncio.StreamWriter, back: asyncio.StreamWriter
    ) -> None:
        # Home Assistant sends a request in one piece, and nothing behind it before the answer is there.
        while chunk := await reader.read(CHUNK_BYTES):
            self._stream_writers.discard(back)
            if chunk.startswith(STREAM_REQUEST):
                if self._blocks_streams:
                    self.rejected_streams += 1
                    return
                self._stream_writers.add(back)
            up.write(chunk)
            await up.drain()


async def _forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while chunk := await reader.read(CHUNK_BYTES):
        writer.write(chunk)
        await writer.drain()


async def _run_until_one_ends(*ways: Coroutine[Any, Any, None]) -> None:
    """Run all ways until one has ended, however it ended."""
    tasks = [asyncio.create_task(way) for way in ways]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@asynccontextmanager
async def run_proxy(port: int) -> AsyncIterator[StreamBlockingProxy]:
    """A gate before the relay at `port`, on a port of its own."""
    gate = StreamBlockingProxy(port)
    server = await asyncio.start_server(gate.handle_connection, HOST, 0)
    gate.url = f"http://{HOST}:{server.sockets[0].getsockname()[1]}"
    try:
        yield gate
    finally:
        server.close()
        server.close_clients()
