"""A gate between Home Assistant and the relay, which lets everything through, but the stream only while it may."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any

from demo.world.ports import HOST

CHUNK = 64 * 1024
STREAM = b"GET /api/ha/v2/stream "


class Gate:
    """Forwards connections byte by byte. A barred stream's connection is cut, as a proxy that cannot stream does."""

    def __init__(self, port: int) -> None:
        """`port`: the relay's, on loopback."""
        self._port = port
        self._streams: set[asyncio.StreamWriter] = set()
        self._barred = False
        self.turned_away = 0
        self.url = ""

    @property
    def streams(self) -> int:
        """How many streams are open."""
        return len(self._streams)

    def bar(self) -> None:
        """Cut the streams, and let no new one through."""
        self._barred = True
        for writer in self._streams:
            writer.close()

    def lift(self) -> None:
        """Let streams through again."""
        self._barred = False

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, to its end."""
        with suppress(OSError):
            up_reader, up_writer = await asyncio.open_connection(HOST, self._port)
            there, back = self._pass_requests(reader, up_writer, writer), _pass(up_reader, writer)
            try:
                await _first_of(there, back)
            finally:
                up_writer.close()
        self._streams.discard(writer)
        writer.close()

    async def _pass_requests(
        self, reader: asyncio.StreamReader, up: asyncio.StreamWriter, back: asyncio.StreamWriter
    ) -> None:
        # Home Assistant sends a request in one piece, and nothing behind it before the answer is there.
        while chunk := await reader.read(CHUNK):
            self._streams.discard(back)
            if chunk.startswith(STREAM):
                if self._barred:
                    self.turned_away += 1
                    return
                self._streams.add(back)
            up.write(chunk)
            await up.drain()


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while chunk := await reader.read(CHUNK):
        writer.write(chunk)
        await writer.drain()


async def _first_of(*ways: Coroutine[Any, Any, None]) -> None:
    """Run all ways until one has ended, however it ended."""
    tasks = [asyncio.create_task(way) for way in ways]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@asynccontextmanager
async def open_gate(port: int) -> AsyncIterator[Gate]:
    """A gate before the relay at `port`, on a port of its own."""
    gate = Gate(port)
    server = await asyncio.start_server(gate.serve, HOST, 0)
    gate.url = f"http://{HOST}:{server.sockets[0].getsockname()[1]}"
    try:
        yield gate
    finally:
        server.close()
        server.close_clients()
