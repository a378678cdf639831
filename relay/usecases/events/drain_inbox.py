"""Acting on what lies in the inbox: one user at a time, in order, each event in full or not at all.

The lock on the user's feed makes order hold across any number of workers; a dead one frees it by dying. Hints make it
fast, a sweep makes it certain.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Sequence
from datetime import timedelta
from functools import partial
from typing import Protocol
from uuid import UUID

import psycopg
from psycopg import errors

from relay.inbox import queue
from relay.inbox.models import EventOutcome, StoredEvent
from relay.kit.database import Connection, Pool
from relay.kit.logs import get_error_location
from relay.usecases.events.apply_enode_event import AppliedEvent, MalformedEventError, apply_enode_event

log = logging.getLogger(__name__)

RETRY_DELAYS = tuple(timedelta(seconds=seconds) for seconds in (5, 30, 120, 600))
"""Waits between the tries of an event; after the last try it is set aside."""
WORKERS = 4
"""Users drained at once in one process. A drain waits for the database more than it works."""
SWEEP_SECONDS = 5.0
DATABASE_ERROR_DELAY_SECONDS = 1.0

LOCK_FEED = """
select f.user_id from feeds f join users u on u.id = f.user_id and u.closed_at is null
where f.user_id = any (%s)
  and exists (select from webhook_logs w
              where w.user_id = f.user_id and w.state = 'pending' and w.next_try_at <= now())
limit 1 for update of f skip locked
"""

# SQLSTATE classes that blame the weather, not the event: connection, rolled back (deadlock), resources, lock not
# available, intervention. A statement that took too long is an intervention too, but the event's own fault.
TRANSIENT_SQLSTATES = frozenset({"08", "40", "53", "55", "57"})


class ApplyEvent(Protocol):
    """Acts on one event, as apply_enode_event does."""

    def __call__(self, connection: Connection, event: StoredEvent, *, vin_key: bytes) -> Awaitable[AppliedEvent]:
        """Within a savepoint of its own."""
        ...


class InboxDrainer:
    """Drains the inbox as long as it runs. `wake` is called, after the commit, with users who have something to see."""

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
        """These users (None: anybody) may have something in the inbox."""
        if user_ids is None:
            self._sweep_requested.set()
        else:
            self._pending_users |= dict.fromkeys(user_ids)
            self._hint_received.set()

    async def run(self) -> None:
        """Drain until cancelled. What is under way is rolled back then, and done again by whoever comes next."""
        async with asyncio.TaskGroup() as group:
            for _ in range(WORKERS):
                group.create_task(self._run_worker())
            group.create_task(self._run_sweep_loop())

    async def drain_once(self) -> int:
        """Act on everything that is due now; returns the number of events."""
        users = await self.sweep()
        return await self._drain_users(users)

    async def sweep(self) -> list[UUID]:
        """Settle what is about nobody of ours, and look who has events that are due."""
        async with self._pool.connection() as connection:
            while await self._drain_events_without_user(connection):
                pass
            waiting = await queue.list_users_with_due_events(connection)
            if waiting.unknown_user_ids:
                await queue.ignore_events(connection, waiting.unknown_user_ids, "unknown user")
            return waiting.user_ids

    async def _run_worker(self) -> None:
        while True:
            await self._hint_received.wait()
            if not self._pending_users:
                self._hint_received.clear()
                continue
            # Taken before it is looked at: who is hinted at again meanwhile is looked at again.
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
            # Its text may hold a row. The sweep comes back to what was left.
            log.warning("the inbox waits: %s", type(error).__name__)
            await asyncio.sleep(DATABASE_ERROR_DELAY_SECONDS)

    async def _drain_users(self, users: list[UUID]) -> int:
        """Drain these users until nobody has anything left.

        Who comes while a user is locked is turned away, but whoever holds the lock looks once more after its commit.
        """
        count = 0
        async with self._pool.connection() as connection:
            while (settled := await self._drain_batch(connection, users)) is not None:
                count += settled
        return count

    async def _drain_batch(self, connection: Connection, users: list[UUID]) -> int | None:
        """Act on some events of one of these users; None when none of them has any, or they are all being drained."""
        async with connection.transaction():
            user_id = await _lock_feed(connection, users)
            if user_id is None:
                return None
            events = await queue.list_due_events_of_user(connection, user_id)
            told = await self._apply_events(connection, events)
        if told:
            self._wake([user_id])
        return len(events)

    async def _drain_events_without_user(self, connection: Connection) -> int:
        async with connection.transaction():
            events = await queue.claim_due_events_without_user(connection)
            await self._apply_events(connection, events)
        return len(events)

    async def _apply_events(self, connection: Connection, events: Sequence[StoredEvent]) -> bool:
        """Act on the events, in order; True when their user has something new to see."""
        told, settlements = False, []
        for event in events:
            try:
                async with connection.transaction():
                    applied = await self._apply_event(connection, event)
            except Exception as error:  # one poisonous event must not stop the rest
                if is_transient(error):
                    raise
                settlements.append(create_failure_outcome(event, error))
            else:
                told |= applied.has_updates
                settlements.append(
                    EventOutcome(
                        event_id=event.id, state=applied.state, attempts=event.attempts + 1, reason=applied.reason
                    )
                )
        await queue.record_outcomes(connection, settlements)
        return told


async def _lock_feed(connection: Connection, users: list[UUID]) -> UUID | None:
    row = await (await connection.execute(LOCK_FEED, [users])).fetchone()
    return UUID(str(row[0])) if row else None


def is_transient(error: Exception) -> bool:
    """Whether the database, not the event, is to blame: then it does not count as a try."""
    if isinstance(error, psycopg.InterfaceError):
        return True
    if not isinstance(error, psycopg.OperationalError) or isinstance(error, errors.QueryCanceled):
        return False
    return error.sqlstate is None or error.sqlstate[:2] in TRANSIENT_SQLSTATES


def create_failure_outcome(event: StoredEvent, error: Exception) -> EventOutcome:
    """Try again later, or no more. Only the class of the error is kept: its text may hold what the event holds."""
    attempts, reason = event.attempts + 1, type(error).__name__
    final = attempts > len(RETRY_DELAYS) or isinstance(error, MalformedEventError)
    log.warning(
        "event %d of user %s failed (%s, %s), %s",
        event.id,
        event.user_id,
        reason,
        get_error_location(error),
        "set aside" if final else f"try {attempts}",
    )
    return EventOutcome(
        event_id=event.id,
        state="set_aside" if final else "pending",
        attempts=attempts,
        reason=reason,
        retry_in=timedelta() if final else RETRY_DELAYS[attempts - 1],
    )
