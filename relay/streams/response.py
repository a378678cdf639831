"""The HTTP response of a stream: the listener's events, a comment as heartbeat, and the end.

Not `fastapi.sse` (read in FastAPI 0.165): it renders each message once per client, has its heartbeat in a private
constant, answers 200 before the route can refuse, and never drops a client that has stopped reading (decision 0008).
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import override

from fastapi import Response
from starlette.types import Receive, Scope, Send

from relay.streams.listener import StreamListener
from relay.streams.sse import HEARTBEAT

log = logging.getLogger(__name__)

HEADERS = {
    "Content-Type": "text/event-stream; charset=utf-8",
    # Proxies must neither store nor compress nor buffer the stream.
    "Cache-Control": "no-store, no-transform",
    "X-Accel-Buffering": "no",
}


class EventStreamResponse(Response):
    """Sends what a listener holds until the listener or the client ends."""

    def __init__(
        self,
        listener: StreamListener,
        *,
        heartbeat_interval: timedelta,
        send_timeout: timedelta,
        monitor: Callable[[], Awaitable[None]],
    ) -> None:
        """`monitor` runs while the stream is open and may end the listener."""
        super().__init__(headers=HEADERS)
        del self.headers["content-length"]
        self._listener = listener
        self._heartbeat_seconds = heartbeat_interval.total_seconds()
        self._send_timeout_seconds = send_timeout.total_seconds()
        self._monitor = monitor

    @override
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        async with asyncio.TaskGroup() as tasks:
            background = [
                tasks.create_task(self._end_on_disconnect(receive)),
                tasks.create_task(self._run_monitor()),
            ]
            await self._send_all(send)
            for task in background:
                task.cancel()

    async def _send_all(self, send: Send) -> None:
        try:
            while chunk := await self._receive_or_heartbeat():
                await self._send_chunk(send, chunk, more=True)
            await self._send_chunk(send, b"", more=False)
        except TimeoutError:
            # Returning without the last chunk makes the server close the connection.
            log.info("stream dropped reason=send_timeout timeout_s=%.3g", self._send_timeout_seconds)

    async def _receive_or_heartbeat(self) -> bytes:
        try:
            async with asyncio.timeout(self._heartbeat_seconds):
                return await self._listener.receive()
        except TimeoutError:
            return HEARTBEAT

    async def _send_chunk(self, send: Send, chunk: bytes, *, more: bool) -> None:
        async with asyncio.timeout(self._send_timeout_seconds):
            await send({"type": "http.response.body", "body": chunk, "more_body": more})

    async def _end_on_disconnect(self, receive: Receive) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        self._listener.end()

    async def _run_monitor(self) -> None:
        await self._monitor()
