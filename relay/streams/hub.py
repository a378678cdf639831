"""The open streams of one process: read the feeds of all hinted users in one query, then push to each stream."""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from uuid import UUID

import psycopg

from relay.bus.waker import Hint
from relay.feed.cursor import FeedPositions
from relay.feed.messages import ByeMessage, ByeReason, FeedChanges
from relay.kit.problems import Problem
from relay.streams.listener import StreamListener
from relay.streams.rules import StreamRules
from relay.streams.sse import render_changes

log = logging.getLogger(__name__)

type CloseStreams = Callable[[UUID], None]
"""Ends the open streams of this credential or user, in every process. Call it after the commit that revokes it."""
type ReadChanges = Callable[[FeedPositions], Awaitable[Mapping[UUID, FeedChanges]]]
"""Reads in one query what these users' feeds hold after these positions. Users without changes may be left out."""


def plan_reconnects(count: int, rules: StreamRules, *, shortest: int) -> list[int]:
    """Return for each of `count` streams after how many seconds its client should reconnect.

    Spread evenly, so that every second has about as many, and at most `reconnects_per_second` unless that would take
    longer than `max_reconnect_delay`. None is less than `shortest`.
    """
    period = min(count / rules.reconnects_per_second, rules.max_reconnect_delay.total_seconds() - shortest)
    return [int(shortest + period * place / count) for place in range(count)]


class Hub:
    """Holds the streams of this process. Other processes don't need this state: a stream can resume at any of them."""

    def __init__(
        self,
        read_changes: ReadChanges,
        rules: StreamRules | None = None,
        *,
        publish_revoked: Callable[[Iterable[UUID]], None] = lambda _: None,
    ) -> None:
        """`publish_revoked` sends the ids of credentials and users whose streams end to the other processes."""
        self._publish_revoked = publish_revoked
        self.rules = rules or StreamRules()
        self._read_changes = read_changes
        self._listeners: dict[UUID, list[StreamListener]] = {}
        self._pending_users: set[UUID] = set()
        self._hint_received = asyncio.Event()
        # Once the hub is closed: the seconds after which a refused client may try again.
        self._refusal_delays = range(0)

    @property
    def stream_count(self) -> int:
        """How many streams are open."""
        return sum(map(len, self._listeners.values()))

    def has_stream(self, credential_id: UUID, *, other_than: StreamListener | None = None) -> bool:
        """Whether this process has a stream of this credential open, other than `other_than`."""
        return any(
            listener.credential_id == credential_id and listener is not other_than
            for listeners in self._listeners.values()
            for listener in listeners
        )

    @contextmanager
    def open_listener(self, user_id: UUID, credential_id: UUID) -> Iterator[StreamListener]:
        """Register one more stream of this user for the block. It receives nothing before its `start`.

        Raises Problem 429 when the user has too many streams open, 503 when this process is shutting down.
        """
        if self._refusal_delays:
            headers = {"Retry-After": str(random.choice(self._refusal_delays))}  # noqa: S311 - no secret
            raise Problem(503, "unavailable", "The relay is restarting. Reconnect in a few seconds.", headers=headers)
        listeners = self._listeners.setdefault(user_id, [])
        if len(listeners) >= self.rules.max_streams_per_user:
            detail = (
                f"The account already has {self.rules.max_streams_per_user} streams open. "
                "Close one of them, or try again in a minute."
            )
            raise Problem(429, "too-many-streams", detail, headers={"Retry-After": "60"})
        listener = StreamListener(user_id, credential_id, self.rules.max_backlog_bytes, on_start=self._on_start)
        listeners.append(listener)
        try:
            yield listener
        finally:
            listener.end()
            listeners.remove(listener)
            if not listeners:
                self._listeners.pop(user_id, None)

    def request_delivery(self, hint: Hint) -> None:
        """Read the feeds of these users (None: of all users with a stream) soon."""
        self._pending_users |= self._listeners.keys() if hint is None else hint & self._listeners.keys()
        if self._pending_users:
            self._hint_received.set()

    async def run(self) -> None:
        """Deliver until cancelled. A regular sweep over all users makes up for lost hints."""
        loop = asyncio.get_running_loop()
        interval = self.rules.sweep_interval.total_seconds()
        sweep_at = loop.time() + interval
        while True:
            try:
                async with asyncio.timeout_at(sweep_at):
                    await self._hint_received.wait()
            except TimeoutError:
                pass
            if loop.time() >= sweep_at:
                self.request_delivery(None)
                sweep_at = loop.time() + interval
            await self._deliver_pending()

    def close(self, reason: ByeReason = "restart", *, retry_after: int = 2) -> None:
        """End all streams with a bye and refuse new ones. Clients reconnect after `retry_after` seconds or later.

        The byes spread them over time.
        """
        listeners = [listener for listeners in self._listeners.values() for listener in listeners]
        delays = plan_reconnects(len(listeners), self.rules, shortest=retry_after)
        random.shuffle(delays)  # clients that connected at the same time shouldn't do so again
        # Clients that come during the shutdown are spread like the others.
        self._refusal_delays = range(retry_after, max([retry_after, *delays, *self._refusal_delays]) + 1)
        for listener, delay in zip(listeners, delays, strict=True):
            listener.end(ByeMessage(reason=reason, retry_after=delay))

    def close_credential_streams(self, credential_id: UUID) -> None:
        """End the streams of a credential that has been revoked, in every process."""
        self._close_everywhere(credential_id)

    def close_user_streams(self, user_id: UUID) -> None:
        """End all streams of a user, in every process."""
        self._close_everywhere(user_id)

    def receive_revoked(self, hint: Hint) -> None:
        """Have the streams of these credentials or users, which another process may have revoked, recheck at once.

        None (the ids could not be read) is ignored: each stream rechecks its own credential regularly.
        """
        for listener in self._find_listeners(hint or frozenset()):
            listener.request_recheck()

    def _close_everywhere(self, revoked_id: UUID) -> None:
        for listener in self._find_listeners(frozenset([revoked_id])):
            listener.end(ByeMessage(reason="revoked", retry_after=0))
        self._publish_revoked([revoked_id])

    def _find_listeners(self, ids: frozenset[UUID]) -> list[StreamListener]:
        """Return the listeners of these credentials or users."""
        return [
            listener
            for listeners in self._listeners.values()
            for listener in listeners
            if listener.credential_id in ids or listener.user_id in ids
        ]

    def _on_start(self, listener: StreamListener) -> None:
        # Hints about changes that were committed after the snapshot may have come before the start.
        self.request_delivery(frozenset([listener.user_id]))

    async def _deliver_pending(self) -> None:
        self._hint_received.clear()
        user_ids, self._pending_users = self._pending_users, set()
        # Fixed before the query: a listener that starts during it may have a newer cursor than the result.
        started = {
            user_id: [listener for listener in self._listeners.get(user_id, ()) if listener.cursor is not None]
            for user_id in user_ids
        }
        positions = {
            user_id: min(listener.cursor.seq for listener in listeners if listener.cursor)
            for user_id, listeners in started.items()
            if listeners
        }
        if not positions:
            return
        try:
            changes_by_user = await self._read_changes(positions)
        except psycopg.Error as error:
            log.warning("feed read failed users=%d error=%s", len(positions), type(error).__name__)
            return  # the sweep retries
        for user_id, changes in changes_by_user.items():
            self._push_changes(changes, started[user_id])

    @staticmethod
    def _push_changes(changes: FeedChanges, listeners: list[StreamListener]) -> None:
        events = render_changes(changes)
        for listener in listeners:
            listener.push(changes.end_cursor, events)
