"""One stream as the hub sees it: what waits to be sent, and how far the client will have been told then."""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from uuid import UUID

from relay.feed.messages import ByeMessage, Cursor, Message, render_event

type RenderedEvents = Sequence[tuple[int, bytes]]
"""Rendered messages with their sequence numbers, in order."""


class StreamListener:
    """A queue of bytes with one writer, the hub, and one reader, the response."""

    def __init__(
        self, user_id: UUID, credential_id: UUID, max_backlog_bytes: int, on_start: Callable[[StreamListener], None]
    ) -> None:
        self.user_id = user_id
        self.credential_id = credential_id
        self._backlog = max_backlog_bytes
        self._on_start = on_start
        self._cursor: Cursor | None = None
        self._taken: Cursor | None = None
        self._frames: deque[bytes] = deque()
        self._waiting = 0
        self._ended = False
        self._ready = asyncio.Event()

    @property
    def cursor(self) -> Cursor | None:
        """Up to here everything has been queued; None before the start."""
        return self._cursor

    @property
    def consumed_cursor(self) -> Cursor | None:
        """Up to here the reader has taken everything; None before the first time."""
        return self._taken

    def start(self, cursor: Cursor, initial_events: Iterable[bytes] = ()) -> None:
        """Send `first`, then what comes after `cursor`. Once.

        What is told first may be longer than the backlog: nobody is slow yet.
        """
        if not self._ended:
            self._cursor = cursor
            for rendered in initial_events:
                self._frames.append(rendered)
                self._ready.set()
            self._on_start(self)

    def push(self, end_cursor: Cursor, events: RenderedEvents) -> None:
        """Queue what is new of `frames`; `end` is how far they reach.

        A feed of another epoch, or shorter than what we told (a restored database), ends the stream: it resumes anew.
        """
        if self._ended or self._cursor is None:
            return
        if end_cursor.epoch != self._cursor.epoch or end_cursor.seq < self._cursor.seq:
            self.end()
            return
        for seq, rendered in events:
            if seq > self._cursor.seq and not self._enqueue(rendered):
                return
        self._cursor = end_cursor

    def send_message(self, message: Message) -> None:
        """Queue a message that has no place in the feed. It takes the place of the last one, which it comes after."""
        if not self._ended and self._cursor is not None:
            self._enqueue(render_event(message, self._cursor))

    def end(self, bye: ByeMessage | None = None) -> None:
        """Let the reader have what is queued, then `bye`, then the end."""
        if not self._ended:
            self._ended = True
            if bye is not None:
                self._frames.append(render_event(bye, None))
            self._ready.set()

    async def receive(self) -> bytes:
        """All that waits, as soon as something does; nothing more after b"". Safe to cancel."""
        await self._ready.wait()
        waiting = b"".join(self._frames)
        self._frames.clear()
        self._waiting = 0
        self._taken = self._cursor
        if not self._ended:
            self._ready.clear()
        return waiting

    def _enqueue(self, event: bytes) -> bool:
        self._waiting += len(event)
        if self._waiting > self._backlog:
            self._frames.clear()
            self.end()
            return False
        self._frames.append(event)
        self._ready.set()
        return True
