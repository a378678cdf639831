"""One process's open streams: on a hint all users with news are read in one query, and each stream gets its part."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import psycopg

from relay.delivery.messages import Bye, ByeReason, Changes, Cursors
from relay.delivery.subscription import Subscription
from relay.delivery.wake import Hint
from relay.kit.problems import Problem

log = logging.getLogger(__name__)

type ReadChanges = Callable[[Cursors], Awaitable[Mapping[UUID, Changes]]]
"""Reads, in one query, what these users' feeds hold after these numbers. Who has nothing new may be left out."""


@dataclass(frozen=True, kw_only=True, slots=True)
class StreamRules:
    """Bounds and rhythms of streams."""

    streams_per_user: int = 5
    sweep_every: timedelta = timedelta(seconds=5)
    heartbeat_every: timedelta = timedelta(seconds=15)
    recheck_every: timedelta = timedelta(seconds=25)
    # A client that takes nothing for so long is gone, or as good as.
    send_within: timedelta = timedelta(seconds=30)
    # Bytes that may wait for a slow reader; then it is dropped and resumes with a snapshot, which is shorter.
    backlog: int = 1024 * 1024


class Hub:
    """Holds the streams of this process. Nothing here is needed by another one: every stream can resume anywhere."""

    def __init__(
        self,
        read_changes: ReadChanges,
        rules: StreamRules | None = None,
        *,
        announce: Callable[[Iterable[UUID]], None] = lambda _: None,
    ) -> None:
        """`announce` tells the other processes of installations and users that were closed here."""
        self._announce = announce
        self.rules = rules or StreamRules()
        self._read_changes = read_changes
        self._by_user: dict[UUID, list[Subscription]] = {}
        self._woken: set[UUID] = set()
        self._news = asyncio.Event()
        self._closing: Bye | None = None

    @property
    def streams(self) -> int:
        """How many are open."""
        return sum(map(len, self._by_user.values()))

    def tells(self, credential_id: UUID, *, besides: Subscription | None = None) -> bool:
        """Whether a stream of this credential, another one than `besides`, is open in this process."""
        return any(
            it.credential_id == credential_id and it is not besides
            for streams in self._by_user.values()
            for it in streams
        )

    @contextmanager
    def subscribe(self, user_id: UUID, credential_id: UUID) -> Iterator[Subscription]:
        """A place for one more stream of this user. It hears nothing before it is started with a cursor.

        Raises Problem 429 when the user has all places taken, 503 when this process is about to end.
        """
        if self._closing is not None:
            again = {"Retry-After": str(self._closing.retry_after)}
            raise Problem(503, "unavailable", "This relay is restarting.", headers=again)
        streams = self._by_user.setdefault(user_id, [])
        if len(streams) >= self.rules.streams_per_user:
            most = self.rules.streams_per_user
            detail = f"An account may have {most} streams open; close one, or wait until one is given up."
            raise Problem(429, "too-many-streams", detail, headers={"Retry-After": "60"})
        subscription = Subscription(user_id, credential_id, self.rules.backlog, on_start=self._on_start)
        streams.append(subscription)
        try:
            yield subscription
        finally:
            subscription.end()
            streams.remove(subscription)
            if not streams:
                self._by_user.pop(user_id, None)

    def wake(self, hint: Hint) -> None:
        """These users (None: any) may have news; read soon."""
        self._woken |= self._by_user.keys() if hint is None else hint & self._by_user.keys()
        if self._woken:
            self._news.set()

    async def run(self) -> None:
        """Deliver until cancelled. While hints are lost, a sweep over everybody heals it."""
        loop = asyncio.get_running_loop()
        every = self.rules.sweep_every.total_seconds()
        sweep_at = loop.time() + every
        while True:
            try:
                async with asyncio.timeout_at(sweep_at):
                    await self._news.wait()
            except TimeoutError:
                pass
            if loop.time() >= sweep_at:
                self.wake(None)
                sweep_at = loop.time() + every
            await self._deliver_to_the_woken()

    def close(self, reason: ByeReason = "restart", *, retry_after: int = 2) -> None:
        """Say bye to everybody and let nobody in any more."""
        self._closing = Bye(reason=reason, retry_after=retry_after)
        self._end(self._closing, lambda _: True)

    def close_credential(self, credential_id: UUID) -> None:
        """End the streams of a credential that has been revoked, in every process."""
        self._revoke(credential_id)

    def close_user(self, user_id: UUID) -> None:
        """End all streams of a user, in every process."""
        self._revoke(user_id)

    def hear_revoked(self, hint: Hint) -> None:
        """Another process closed these installations or users. A hint that names nobody is left to the next look."""
        if hint:
            bye = Bye(reason="revoked", retry_after=0)
            self._end(bye, lambda it: it.credential_id in hint or it.user_id in hint)

    def _revoke(self, it: UUID) -> None:
        self.hear_revoked(frozenset([it]))
        self._announce([it])

    def _end(self, bye: Bye, concerns: Callable[[Subscription], bool]) -> None:
        for streams in self._by_user.values():
            for subscription in filter(concerns, streams):
                subscription.end(bye)

    def _on_start(self, subscription: Subscription) -> None:
        # What was committed after the snapshot was read may have been hinted at before the start.
        self.wake(frozenset([subscription.user_id]))

    async def _deliver_to_the_woken(self) -> None:
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
            self._push(changes, listening[user])

    @staticmethod
    def _push(changes: Changes, streams: list[Subscription]) -> None:
        rendered = changes.frames()
        for subscription in streams:
            subscription.push(changes.end, rendered)
