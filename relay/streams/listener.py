"""The queue of one open stream: the events that wait to be sent, and the cursor that they lead to."""

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Iterable
from uuid import UUID

from relay.feed.cursor import Cursor
from relay.feed.messages import ByeMessage, Message
from relay.streams.sse import RenderedEvents, render_event


class StreamListener:
    """A queue of rendered events with one writer, the hub, and one reader, the response."""

    def __init__(
        self, user_id: UUID, credential_id: UUID, max_backlog_bytes: int, on_start: Callable[[StreamListener], None]
    ) -> None:
        self.user_id = user_id
        self.credential_id = credential_id
        self._max_backlog_bytes = max_backlog_bytes
        self._on_start = on_start
        self._cursor: Cursor | None = None
        self._consumed_cursor: Cursor | None = None
        self._events: deque[bytes] = deque()
        self._backlog_bytes = 0
        self._ended = False
        self._ready = asyncio.Event()
        self._recheck_requested = asyncio.Event()

    @property
    def cursor(self) -> Cursor | None:
        """The position up to which everything has been queued; None before the start."""
        return self._cursor

    @property
    def consumed_cursor(self) -> Cursor | None:
        """The position up to which the reader has taken everything; None before the first time."""
        return self._consumed_cursor

    def start(self, cursor: Cursor, initial_events: Iterable[bytes] = ()) -> None:
        """Send `initial_events`, then what comes after `cursor`. To be called once.

        The initial events don't count towards the backlog, because the reader can't be slow yet.
        """
        if not self._ended:
            self._cursor = cursor
            for event in initial_events:
                self._events.append(event)
                self._ready.set()
            self._on_start(self)

    def push(self, end_cursor: Cursor, events: RenderedEvents) -> None:
        """Queue those of `events` that are newer than the cursor, and move it to `end_cursor`.

        A feed of another epoch, or one that ends before our cursor (a restored database), ends the stream: the client
        reconnects and gets a snapshot.
        """
        if self._ended or self._cursor is None:
            return
        if end_cursor.epoch != self._cursor.epoch or end_cursor.seq < self._cursor.seq:
            self.end()
            return
        for seq, event in events:
            if seq > self._cursor.seq and not self._enqueue(event):
                return
        self._cursor = end_cursor

    def send_message(self, message: Message) -> None:
        """Queue a message that has no sequence number. Its event id is the current cursor."""
        if not self._ended and self._cursor is not None:
            self._enqueue(render_event(message, self._cursor))

    def end(self, bye: ByeMessage | None = None) -> None:
        """End the stream after what is queued, and after `bye` if given."""
        if not self._ended:
            self._ended = True
            if bye is not None:
                self._events.append(render_event(bye, None))
            self._ready.set()

    def request_recheck(self) -> None:
        """Have the stream check soon whether its credential still allows it, because that may have been revoked."""
        self._recheck_requested.set()

    async def wait_for_recheck(self, seconds: float) -> None:
        """Wait until a recheck is requested, or at most this long."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._recheck_requested.wait()
        self._recheck_requested.clear()

    async def receive(self) -> bytes:
        """Wait for events and return all that are queued; b"" once the stream has ended. Safe to cancel."""
        await self._ready.wait()
        chunk = b"".join(self._events)
        self._events.clear()
        self._backlog_bytes = 0
        self._consumed_cursor = self._cursor
        if not self._ended:
            self._ready.clear()
        return chunk

    def _enqueue(self, event: bytes) -> bool:
        """Queue the event; False when that exceeds the backlog, which drops what is queued and ends the stream."""
        self._backlog_bytes += len(event)
        if self._backlog_bytes > self._max_backlog_bytes:
            self._events.clear()
            self.end()
            return False
        self._events.append(event)
        self._ready.set()
        return True
