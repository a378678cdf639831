"""The HTTP answer that stays open: a subscription's bytes, a comment when there are none, an end when there is cause.

Not fastapi.sse: that renders each message once a reader, has its heartbeat in a private constant, answers 200 before
the endpoint can refuse, and lets a reader that has stopped reading hold its place for ever.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import override

from fastapi import Response
from starlette.types import Receive, Scope, Send

from relay.streams.listener import StreamListener

log = logging.getLogger(__name__)

HEARTBEAT = b":\n\n"
HEADERS = {
    "Content-Type": "text/event-stream; charset=utf-8",
    # Neither kept, nor compressed or otherwise gathered on the way.
    "Cache-Control": "no-store, no-transform",
    "X-Accel-Buffering": "no",
}


class EventStreamResponse(Response):
    """Sends what a subscription holds until it, or the client, ends."""

    def __init__(
        self,
        listener: StreamListener,
        *,
        heartbeat_interval: timedelta,
        send_timeout: timedelta,
        monitor: Callable[[], Awaitable[None]],
    ) -> None:
        """`beside` runs while the stream is open; it may end the subscription."""
        super().__init__(headers=HEADERS)
        del self.headers["content-length"]
        self._subscription = listener
        self._heartbeat_every = heartbeat_interval.total_seconds()
        self._send_within = send_timeout.total_seconds()
        self._beside = monitor

    @override
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        async with asyncio.TaskGroup() as tasks:
            others = [
                tasks.create_task(self._end_on_disconnect(receive)),
                tasks.create_task(self._run_monitor()),
            ]
            await self._send_all(send)
            for task in others:
                task.cancel()

    async def _send_all(self, send: Send) -> None:
        try:
            while chunk := await self._receive_or_heartbeat():
                await self._send_chunk(send, chunk, more=True)
            await self._send_chunk(send, b"", more=False)
        except TimeoutError:
            # Returning without the last chunk makes the server close the connection.
            log.info("a stream was given up: its client took nothing for %.3g s", self._send_within)

    async def _receive_or_heartbeat(self) -> bytes:
        try:
            async with asyncio.timeout(self._heartbeat_every):
                return await self._subscription.receive()
        except TimeoutError:
            return HEARTBEAT

    async def _send_chunk(self, send: Send, chunk: bytes, *, more: bool) -> None:
        async with asyncio.timeout(self._send_within):
            await send({"type": "http.response.body", "body": chunk, "more_body": more})

    async def _end_on_disconnect(self, receive: Receive) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        self._subscription.end()

    async def _run_monitor(self) -> None:
        await self._beside()
