"""Process the events in the inbox: each user's in order, each event completely or not at all.

The lock on a user's feed keeps the order across any number of workers; PostgreSQL releases it when a worker dies.
Wake-up hints make processing fast. A sweep every few seconds covers hints that were lost.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Sequence
from functools import partial
from typing import LiteralString, Protocol
from uuid import UUID

import psycopg
from psycopg.rows import dict_row

from relay.inbox import queue
from relay.inbox.models import EventOutcome, StoredEvent
from relay.kit.database import Connection, Pool, fetch_one
from relay.usecases.events.apply_enode_event import AppliedEvent, apply_enode_event
from relay.usecases.events.event_failures import create_failure_outcome, is_transient

log = logging.getLogger(__name__)

WORKERS = 4
"""Users processed concurrently in one process. A worker spends most of its time waiting for the database."""
SWEEP_SECONDS = 5.0
DATABASE_ERROR_DELAY_SECONDS = 1.0

LOCK_FEED: LiteralString = f"""
select f.user_id from feeds f join users u on u.id = f.user_id and u.closed_at is null
where f.user_id = any (%s)
  and exists (select from webhook_logs w
              where w.user_id = f.user_id and w.state = 'pending' and {queue.IS_EVENT_DUE})
limit 1 for update of f skip locked
"""  # noqa: S608 - our own constant


class ApplyEvent(Protocol):
    """Applies one event, as apply_enode_event does."""

    def __call__(self, connection: Connection, event: StoredEvent, *, vin_key: bytes) -> Awaitable[AppliedEvent]:
        """Apply the event. Called within a savepoint of its own."""
        ...


class InboxDrainer:
    """Processes the inbox while it runs. `wake` is called after each commit with the users that have updates."""

    def __init__(
        self,
        pool: Pool,
        *,
        wake: Callable[[Collection[UUID]], None],
        vin_key: bytes,
        apply_event: ApplyEvent = apply_enode_event,
    ) -> None:
        self._pool = pool
        self._wake = wake
        self._apply_event = partial(apply_event, vin_key=vin_key)
        self._pending_users: dict[UUID, None] = {}
        self._hint_received = asyncio.Event()
        self._sweep_requested = asyncio.Event()

    def add_hint(self, user_ids: Collection[UUID] | None) -> None:
        """Hint that these users may have events in the inbox. None: any user may, so request a sweep."""
        if user_ids is None:
            self._sweep_requested.set()
        else:
            self._pending_users |= dict.fromkeys(user_ids)
            self._hint_received.set()

    async def run(self) -> None:
        """Process events until cancelled. A batch in progress is then rolled back, and another worker processes it."""
        async with asyncio.TaskGroup() as group:
            for _ in range(WORKERS):
                group.create_task(self._run_worker())
            group.create_task(self._run_sweep_loop())

    async def drain_once(self) -> int:
        """Process every event that is due now, and return the number of events."""
        user_ids = await self.sweep()
        return await self._drain_users(user_ids)

    async def sweep(self) -> list[UUID]:
        """Process events about no user, ignore those of unknown users, and return the users with due events."""
        async with self._pool.connection() as connection:
            while await self._drain_events_without_user(connection):
                pass
            due = await queue.list_users_with_due_events(connection)
            if due.unknown_user_ids:
                await queue.ignore_events(connection, due.unknown_user_ids, "unknown user")
            return due.user_ids

    async def _run_worker(self) -> None:
        while True:
            await self._hint_received.wait()
            if not self._pending_users:
                self._hint_received.clear()
                continue
            # Removed before processing, so that a hint that arrives meanwhile makes the user pending again.
            user_id = next(iter(self._pending_users))
            del self._pending_users[user_id]
            await self._tolerate_database_errors(partial(self._drain_users, [user_id]))

    async def _run_sweep_loop(self) -> None:
        while True:
            await self._tolerate_database_errors(self._sweep_and_hint)
            try:
                async with asyncio.timeout(SWEEP_SECONDS):
                    await self._sweep_requested.wait()
            except TimeoutError:
                pass
            self._sweep_requested.clear()

    async def _sweep_and_hint(self) -> None:
        self.add_hint(await self.sweep())

    @staticmethod
    async def _tolerate_database_errors(work: Callable[[], Awaitable[object]]) -> None:
        try:
            await work()
        except psycopg.Error as error:
            # Only the class is logged, because the text may quote a row. The next sweep finds the remaining events.
            log.warning(
                "inbox processing failed error=%s retry_in=%gs", type(error).__name__, DATABASE_ERROR_DELAY_SECONDS
            )
            await asyncio.sleep(DATABASE_ERROR_DELAY_SECONDS)

    async def _drain_users(self, user_ids: list[UUID]) -> int:
        """Process these users' due events until none are left; returns the number of events.

        A user that another worker has locked is skipped: that worker checks for more events after its commit.
        """
        count = 0
        async with self._pool.connection() as connection:
            while (batch_size := await self._drain_batch(connection, user_ids)) is not None:
                count += batch_size
        return count

    async def _drain_batch(self, connection: Connection, user_ids: list[UUID]) -> int | None:
        """Process some events of one of these users; None when no unlocked user among them has due events."""
        async with connection.transaction():
            user_id = await _lock_feed(connection, user_ids)
            if user_id is None:
                return None
            events = await queue.list_due_events_of_user(connection, user_id)
            has_updates = await self._apply_events(connection, events)
        if has_updates:
            self._wake([user_id])
        return len(events)

    async def _drain_events_without_user(self, connection: Connection) -> int:
        async with connection.transaction():
            events = await queue.claim_due_events_without_user(connection)
            await self._apply_events(connection, events)
        return len(events)

    async def _apply_events(self, connection: Connection, events: Sequence[StoredEvent]) -> bool:
        """Apply the events in order and record their outcomes; True if their user has something new to see."""
        has_updates, outcomes = False, []
        for event in events:
            try:
                async with connection.transaction():
                    applied = await self._apply_event(connection, event)
            except Exception as error:  # one failing event must not stop the rest
                if is_transient(error):
                    raise
                outcomes.append(create_failure_outcome(event, error))
            else:
                has_updates |= applied.has_updates
                outcomes.append(
                    EventOutcome(
                        event_id=event.id, state=applied.state, attempts=event.attempts + 1, reason=applied.reason
                    )
                )
        await queue.record_outcomes(connection, outcomes)
        return has_updates


async def _lock_feed(connection: Connection, user_ids: list[UUID]) -> UUID | None:
    """Lock the feed of one of these users that has due events and that no other worker has locked; return the user."""
    row = await fetch_one(connection, LOCK_FEED, [user_ids], dict_row)
    return None if row is None else row["user_id"]
