"""One process's open streams: on a hint all users with news are read in one query, and each stream gets its part."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import psycopg

from relay.bus.waker import Hint
from relay.feed.messages import ByeMessage, ByeReason, FeedChanges, FeedPositions
from relay.kit.problems import Problem
from relay.streams.listener import StreamListener

log = logging.getLogger(__name__)

type CloseStreams = Callable[[UUID], None]
"""Ends the open streams of this credential or user, in every process. Call it after the commit that revokes it."""
type ReadChanges = Callable[[FeedPositions], Awaitable[Mapping[UUID, FeedChanges]]]
"""Reads, in one query, what these users' feeds hold after these numbers. Who has nothing new may be left out."""


@dataclass(frozen=True, kw_only=True, slots=True)
class StreamRules:
    """Bounds and rhythms of streams."""

    max_streams_per_user: int = 5
    sweep_interval: timedelta = timedelta(seconds=5)
    heartbeat_interval: timedelta = timedelta(seconds=15)
    recheck_interval: timedelta = timedelta(seconds=25)
    # A client that takes nothing for so long is gone, or as good as.
    send_timeout: timedelta = timedelta(seconds=30)
    # Bytes that may wait for a slow reader; then it is dropped and resumes with a snapshot, which is shorter.
    max_backlog_bytes: int = 1024 * 1024


class Hub:
    """Holds the streams of this process. Nothing here is needed by another one: every stream can resume anywhere."""

    def __init__(
        self,
        read_changes: ReadChanges,
        rules: StreamRules | None = None,
        *,
        publish_revoked: Callable[[Iterable[UUID]], None] = lambda _: None,
    ) -> None:
        """`announce` tells the other processes of installations and users that were closed here."""
        self._announce = publish_revoked
        self.rules = rules or StreamRules()
        self._read_changes = read_changes
        self._by_user: dict[UUID, list[StreamListener]] = {}
        self._woken: set[UUID] = set()
        self._news = asyncio.Event()
        self._closing: ByeMessage | None = None

    @property
    def stream_count(self) -> int:
        """How many are open."""
        return sum(map(len, self._by_user.values()))

    def has_stream(self, credential_id: UUID, *, other_than: StreamListener | None = None) -> bool:
        """Whether a stream of this credential, another one than `besides`, is open in this process."""
        return any(
            it.credential_id == credential_id and it is not other_than
            for streams in self._by_user.values()
            for it in streams
        )

    @contextmanager
    def open_listener(self, user_id: UUID, credential_id: UUID) -> Iterator[StreamListener]:
        """A place for one more stream of this user. It hears nothing before it is started with a cursor.

        Raises Problem 429 when the user has all places taken, 503 when this process is about to end.
        """
        if self._closing is not None:
            again = {"Retry-After": str(self._closing.retry_after)}
            raise Problem(503, "unavailable", "This relay is restarting.", headers=again)
        streams = self._by_user.setdefault(user_id, [])
        if len(streams) >= self.rules.max_streams_per_user:
            most = self.rules.max_streams_per_user
            detail = f"An account may have {most} streams open; close one, or wait until one is given up."
            raise Problem(429, "too-many-streams", detail, headers={"Retry-After": "60"})
        subscription = StreamListener(user_id, credential_id, self.rules.max_backlog_bytes, on_start=self._on_start)
        streams.append(subscription)
        try:
            yield subscription
        finally:
            subscription.end()
            streams.remove(subscription)
            if not streams:
                self._by_user.pop(user_id, None)

    def request_delivery(self, hint: Hint) -> None:
        """These users (None: any) may have news; read soon."""
        self._woken |= self._by_user.keys() if hint is None else hint & self._by_user.keys()
        if self._woken:
            self._news.set()

    async def run(self) -> None:
        """Deliver until cancelled. While hints are lost, a sweep over everybody heals it."""
        loop = asyncio.get_running_loop()
        every = self.rules.sweep_interval.total_seconds()
        sweep_at = loop.time() + every
        while True:
            try:
                async with asyncio.timeout_at(sweep_at):
                    await self._news.wait()
            except TimeoutError:
                pass
            if loop.time() >= sweep_at:
                self.request_delivery(None)
                sweep_at = loop.time() + every
            await self._deliver_pending()

    def close(self, reason: ByeReason = "restart", *, retry_after: int = 2) -> None:
        """Say bye to everybody and let nobody in any more."""
        self._closing = ByeMessage(reason=reason, retry_after=retry_after)
        self._end_matching(self._closing, lambda _: True)

    def close_credential_streams(self, credential_id: UUID) -> None:
        """End the streams of a credential that has been revoked, in every process."""
        self._close_everywhere(credential_id)

    def close_user_streams(self, user_id: UUID) -> None:
        """End all streams of a user, in every process."""
        self._close_everywhere(user_id)

    def receive_revoked(self, hint: Hint) -> None:
        """Another process closed these installations or users. A hint that names nobody is left to the next look."""
        if hint:
            bye = ByeMessage(reason="revoked", retry_after=0)
            self._end_matching(bye, lambda it: it.credential_id in hint or it.user_id in hint)

    def _close_everywhere(self, revoked_id: UUID) -> None:
        self.receive_revoked(frozenset([revoked_id]))
        self._announce([revoked_id])

    def _end_matching(self, bye: ByeMessage, matches: Callable[[StreamListener], bool]) -> None:
        for streams in self._by_user.values():
            for subscription in filter(matches, streams):
                subscription.end(bye)

    def _on_start(self, listener: StreamListener) -> None:
        # What was committed after the snapshot was read may have been hinted at before the start.
        self.request_delivery(frozenset([listener.user_id]))

    async def _deliver_pending(self) -> None:
        self._news.clear()
        users, self._woken = self._woken, set()
        # Who starts while we read has a newer cursor than the answer may know of: not of this round.
        listening = {user: [it for it in self._by_user.get(user, ()) if it.cursor is not None] for user in users}
        cursors = {user: min(it.cursor.seq for it in those if it.cursor) for user, those in listening.items() if those}
        if not cursors:
            return
        try:
            found = await self._read_changes(cursors)
        except psycopg.Error as error:
            log.warning("changes of %d users could not be read (%s)", len(cursors), type(error).__name__)
            return  # the sweep comes back to them
        for user, changes in found.items():
            self._push_changes(changes, listening[user])

    @staticmethod
    def _push_changes(changes: FeedChanges, listeners: list[StreamListener]) -> None:
        rendered = changes.render_events()
        for subscription in listeners:
            subscription.push(changes.end_cursor, rendered)
