"""An app that tests of the HTTP server talk to over raw sockets."""

import asyncio
import re
from contextlib import asynccontextmanager

from relay.kit.http_limits import HttpLimits
from relay.server import open_listening_socket
from tests.relay.support.serving import serve_app

DEFAULTS = HttpLimits()
GET = b"GET / HTTP/1.1\r\nHost: relay\r\n\r\n"
LARGE = 16 * 1024 * 1024
"""More than the system's buffers of a connection hold."""


async def app(scope, receive, send):
    """Answer with what arrived. /stream: events that never end. /unread: without reading. /large: at length."""

    async def respond(body):
        headers = [(b"x-header", name + b"=" + value) for name, value in scope["headers"]]
        headers.append((b"content-length", b"%d" % len(body)))
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    if scope["path"] == "/stream":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"event", "more_body": True})
        while (await receive())["type"] != "http.disconnect":
            pass
        return
    if scope["path"] == "/large":
        await respond(b"x" * LARGE)
        return
    size, is_complete = 0, scope["path"] == "/unread"
    while not is_complete:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        size += len(message["body"])
        is_complete = not message["more_body"]
    if scope["path"] == "/slow":
        await asyncio.sleep(0.5)
    await respond(b"received %d" % size)


class Client:
    """One connection to the server."""

    def __init__(self, reader, writer):
        self.reader, self.writer = reader, writer

    async def send(self, *parts, pause=0.0):
        for part in parts:
            self.writer.write(part)
            await self.writer.drain()
            await asyncio.sleep(pause)

    async def read_all(self):
        async with asyncio.timeout(20):
            return await self.reader.read()

    async def read_response(self):
        async with asyncio.timeout(20):
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode()
            length = int(re.search(r"(?i)^content-length: (\d+)", head, re.MULTILINE)[1])
            return int(head.split()[1]), await self.reader.readexactly(length)

    async def is_closed_by_the_server(self):
        try:
            return await self.read_all() == b""
        except ConnectionResetError:
            return True


@asynccontextmanager
async def serve(limits=DEFAULTS):
    """A function that opens a connection, from another address if one is given."""
    writers = []
    async with serve_app(app, open_listening_socket("0.0.0.0", 0), limits=limits) as url:
        port = int(url.rpartition(":")[2])

        async def connect(source="127.0.0.1"):
            reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(source, 0), limit=2**20)
            writers.append(writer)
            return Client(reader, writer)

        try:
            yield connect
        finally:
            for writer in writers:
                writer.transport.abort()
            await asyncio.sleep(0)
