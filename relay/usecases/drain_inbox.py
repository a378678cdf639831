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
from relay.inbox.models import Settlement, StoredEvent
from relay.kit.database import Connection, Pool
from relay.kit.logs import place
from relay.usecases.apply_enode_event import Applied, MalformedEventError, apply_enode_event

log = logging.getLogger(__name__)

RETRY_AFTER = tuple(timedelta(seconds=seconds) for seconds in (5, 30, 120, 600))
"""Waits between the tries of an event; after the last try it is set aside."""
WORKERS = 4
"""Users drained at once in one process. A drain waits for the database more than it works."""
SWEEP_SECONDS = 5.0
PAUSE_SECONDS = 1.0

LOCK_FEED = """
select f.user_id from feeds f join users u on u.id = f.user_id and u.closed_at is null
where f.user_id = any (%s)
  and exists (select from webhook_logs w
              where w.user_id = f.user_id and w.state = 'pending' and w.next_try_at <= now())
limit 1 for update of f skip locked
"""

# SQLSTATE classes that blame the weather, not the event: connection, rolled back (deadlock), resources, lock not
# available, intervention. A statement that took too long is an intervention too, but the event's own fault.
WEATHER = frozenset({"08", "40", "53", "55", "57"})


class Apply(Protocol):
    """Acts on one event, as apply_enode_event does."""

    def __call__(self, connection: Connection, event: StoredEvent, *, vin_key: bytes) -> Awaitable[Applied]:
        """Within a savepoint of its own."""
        ...


class Drain:
    """Drains the inbox as long as it runs. `wake` is called, after the commit, with users who have something to see."""

    def __init__(
        self,
        pool: Pool,
        *,
        wake: Callable[[Collection[UUID]], None],
        vin_key: bytes,
        apply: Apply = apply_enode_event,
    ) -> None:
        self._pool = pool
        self._wake = wake
        self._apply = partial(apply, vin_key=vin_key)
        self._hinted: dict[UUID, None] = {}
        self._news = asyncio.Event()
        self._sweep_now = asyncio.Event()

    def hint(self, user_ids: Collection[UUID] | None) -> None:
        """These users (None: anybody) may have something in the inbox."""
        if user_ids is None:
            self._sweep_now.set()
        else:
            self._hinted |= dict.fromkeys(user_ids)
            self._news.set()

    async def run(self) -> None:
        """Drain until cancelled. What is under way is rolled back then, and done again by whoever comes next."""
        async with asyncio.TaskGroup() as group:
            for _ in range(WORKERS):
                group.create_task(self._work())
            group.create_task(self._sweep_for_ever())

    async def drain_once(self) -> int:
        """Act on everything that is due now; returns the number of events."""
        users = await self.sweep()
        return await self._drain(users)

    async def sweep(self) -> list[UUID]:
        """Settle what is about nobody of ours, and look who has events that are due."""
        async with self._pool.connection() as connection:
            while await self._drain_nobody(connection):
                pass
            waiting = await queue.who_waits(connection)
            if waiting.strangers:
                await queue.ignore(connection, waiting.strangers, "unknown user")
            return waiting.users

    async def _work(self) -> None:
        while True:
            await self._news.wait()
            if not self._hinted:
                self._news.clear()
                continue
            # Taken before it is looked at: who is hinted at again meanwhile is looked at again.
            user_id = next(iter(self._hinted))
            del self._hinted[user_id]
            await self._in_any_weather(partial(self._drain, [user_id]))

    async def _sweep_for_ever(self) -> None:
        while True:
            await self._in_any_weather(self._sweep_and_hint)
            try:
                async with asyncio.timeout(SWEEP_SECONDS):
                    await self._sweep_now.wait()
            except TimeoutError:
                pass
            self._sweep_now.clear()

    async def _sweep_and_hint(self) -> None:
        self.hint(await self.sweep())

    @staticmethod
    async def _in_any_weather(work: Callable[[], Awaitable[object]]) -> None:
        try:
            await work()
        except psycopg.Error as error:
            # Its text may hold a row. The sweep comes back to what was left.
            log.warning("the inbox waits: %s", type(error).__name__)
            await asyncio.sleep(PAUSE_SECONDS)

    async def _drain(self, users: list[UUID]) -> int:
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
            events = await queue.due_of_user(connection, user_id)
            told = await self._settle(connection, events)
        if told:
            self._wake([user_id])
        return len(events)

    async def _drain_nobody(self, connection: Connection) -> int:
        async with connection.transaction():
            events = await queue.due_of_nobody(connection)
            await self._settle(connection, events)
        return len(events)

    async def _settle(self, connection: Connection, events: Sequence[StoredEvent]) -> bool:
        """Act on the events, in order; True when their user has something new to see."""
        told, settlements = False, []
        for event in events:
            try:
                async with connection.transaction():
                    applied = await self._apply(connection, event)
            except Exception as error:  # one poisonous event must not stop the rest
                if is_weather(error):
                    raise
                settlements.append(failed(event, error))
            else:
                told |= applied.told
                settlements.append(
                    Settlement(
                        event_id=event.id, state=applied.state, attempts=event.attempts + 1, reason=applied.reason
                    )
                )
        await queue.settle(connection, settlements)
        return told


async def _lock_feed(connection: Connection, users: list[UUID]) -> UUID | None:
    row = await (await connection.execute(LOCK_FEED, [users])).fetchone()
    return UUID(str(row[0])) if row else None


def is_weather(error: Exception) -> bool:
    """Whether the database, not the event, is to blame: then it does not count as a try."""
    if isinstance(error, psycopg.InterfaceError):
        return True
    if not isinstance(error, psycopg.OperationalError) or isinstance(error, errors.QueryCanceled):
        return False
    return error.sqlstate is None or error.sqlstate[:2] in WEATHER


def failed(event: StoredEvent, error: Exception) -> Settlement:
    """Try again later, or no more. Only the class of the error is kept: its text may hold what the event holds."""
    attempts, reason = event.attempts + 1, type(error).__name__
    final = attempts > len(RETRY_AFTER) or isinstance(error, MalformedEventError)
    log.warning(
        "event %d of user %s failed (%s, %s), %s",
        event.id,
        event.user_id,
        reason,
        place(error),
        "set aside" if final else f"try {attempts}",
    )
    return Settlement(
        event_id=event.id,
        state="set_aside" if final else "pending",
        attempts=attempts,
        reason=reason,
        retry_in=timedelta() if final else RETRY_AFTER[attempts - 1],
    )
