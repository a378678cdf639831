"""Deliver to endpoints: whoever is behind the feed and due gets the newest state, one POST at a time.

Hints make it fast, a sweep makes it certain. Endpoints that fail or are slow have places of their own, so that quick
ones never wait for them. No transaction is open while a POST is under way.
"""

import asyncio
import logging
import random
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import LiteralString

import psycopg

from relay.delivery.messages import Cursor
from relay.delivery.retry import after_failure
from relay.delivery.wake import Hint
from relay.kit.database import Pool
from relay.kit.outbound import Failure, Outbound
from relay.kit.problems import Problem
from relay.metering.allowance import SELF_HOSTED, Plans
from relay.usecases.lease_endpoints import Lease, fail, give_up_lease, settle, take_due
from relay.usecases.tell_endpoint import Content, read_content

log = logging.getLogger(__name__)

PAUSE_SECONDS = 1.0

# A row a state that occurs: how many endpoints, and for how many seconds the one furthest behind has been owed
# something. `streaming` is told by its stream, `failing` is tried again, `off` is hardly tried any more.
DELIVERY_FIGURES: LiteralString = """
with it as (
    select e.user_id, e.seq, e.failing_since, e.created_at,
        case when e.streaming_until > now() then 'streaming' when e.off_at is not null then 'off'
             when e.failures > 0 then 'failing' else 'on' end as state,
        (f.epoch, f.seq) is distinct from (e.epoch, e.seq) as behind
    from endpoints e join feeds f using (user_id) join users u on u.id = e.user_id and u.closed_at is null
    join credentials k on k.id = e.credential_id and k.revoked_at is null
)
select it.state, count(*) as endpoints,
    coalesce(max(extract(epoch from now() - coalesce(it.failing_since, owed.since, it.created_at)))
        filter (where it.behind), 0)::float as oldest_undelivered_seconds
from it left join lateral (
    select least(
        (select min(t.created_at) from transitions t where t.user_id = it.user_id and t.seq > it.seq),
        (select min(v.updated_at) from vehicles v where v.user_id = it.user_id and v.revision > it.seq)) as since
) owed on it.behind
group by it.state order by it.state
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class DeliveryRules:
    """Places for POSTs under way in one process, and rhythms."""

    quick: int = 48
    # For endpoints that failed last, or took longer than `slow_after` for their answer.
    slow: int = 16
    slow_after: timedelta = timedelta(seconds=2)
    sweep_every: timedelta = timedelta(seconds=5)
    # Hints that come together are looked at together.
    gather: timedelta = timedelta(milliseconds=10)
    # Who is told at all.
    plans: Plans = SELF_HOSTED


class Deliverer:
    """Delivers as long as it runs. Any number of them share the work."""

    def __init__(
        self, pool: Pool, outbound: Outbound, *, key: bytes, version: str, rules: DeliveryRules | None = None
    ) -> None:
        self._pool = pool
        self._outbound = outbound
        self._key = key
        self._version = version
        self._rules = rules or DeliveryRules()
        self._hinted: Hint = frozenset()
        self._news = asyncio.Event()
        self._room = asyncio.Event()
        self._under_way: dict[bool, int] = {False: 0, True: 0}
        self._turned_away: set[bool] = set()

    def hint(self, hint: Hint) -> None:
        """These users (None: anybody) may have something to be told."""
        self._hinted = None if hint is None or self._hinted is None else self._hinted | hint
        self._news.set()

    async def run(self) -> None:
        """Deliver until cancelled. What is under way then may be sent once more, under the same id."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._sweep_for_ever())
            while True:
                await self._news.wait()
                await asyncio.sleep(self._rules.gather.total_seconds())
                await self._until_room()
                for lease in await self._take():
                    is_slow = self._is_slow(lease)
                    self._under_way[is_slow] += 1
                    tasks.create_task(self._deliver(lease)).add_done_callback(partial(self._done, is_slow))

    async def deliver_once(self) -> int:
        """Deliver to all who are due now, and return to how many that was."""
        self.hint(None)
        leases = await self._take()
        await asyncio.gather(*(self._deliver(lease) for lease in leases))
        return len(leases)

    async def _sweep_for_ever(self) -> None:
        while True:
            self.hint(None)
            await asyncio.sleep(self._rules.sweep_every.total_seconds())

    def _free(self) -> tuple[int, int]:
        return self._rules.quick - self._under_way[False], self._rules.slow - self._under_way[True]

    async def _until_room(self) -> None:
        while not any(self._free()):
            self._room.clear()
            await self._room.wait()

    def _done(self, is_slow: bool, _task: asyncio.Task[None]) -> None:  # noqa: FBT001 - which kind of place is free
        self._under_way[is_slow] -= 1
        self._room.set()
        if is_slow in self._turned_away:
            self._turned_away.remove(is_slow)
            self.hint(None)

    @staticmethod
    def _is_slow(lease: Lease) -> bool:
        return lease.slow or lease.failures > 0

    async def _take(self) -> list[Lease]:
        """Lease for the free places whom the hints are about."""
        hint, self._hinted = self._hinted, frozenset()
        self._news.clear()
        quick, slow = self._free()
        try:
            async with self._pool.connection() as connection:
                users = None if hint is None else list(hint)
                leases = await take_due(connection, users, self._rules.plans.push, quick=quick, slow=slow)
        except psycopg.Error as error:
            log.warning("deliveries wait: %s", type(error).__name__)
            await asyncio.sleep(PAUSE_SECONDS)
            return []  # the sweep comes back to them
        taken = sum(map(self._is_slow, leases))
        # Who found no place is looked for again as soon as there is one.
        if taken >= slow:
            self._turned_away.add(True)
        if len(leases) - taken >= quick:
            self._turned_away.add(False)
        return leases

    async def _deliver(self, lease: Lease) -> None:
        try:
            await self._attempt(lease)
        except psycopg.Error as error:
            # The lease runs out, and it is tried again.
            log.warning("what came of endpoint %s could not be noted (%s)", lease.id, type(error).__name__)
        except asyncio.CancelledError:
            with suppress(psycopg.Error):
                async with self._pool.connection() as connection:
                    await give_up_lease(connection, lease)
            raise
        except Exception as error:  # noqa: BLE001 - one odd endpoint must not stop the rest
            # Not its text, which may hold the URL.
            log.error("endpoint %s: unexpected %s", lease.id, type(error).__name__)  # noqa: TRY400 - the same

    async def _attempt(self, lease: Lease) -> None:
        content = await self._read(lease)
        if content is None:
            return
        if isinstance(content, Cursor):
            await self._settle(lease, content, told=False, slow=lease.slow)
            return
        loop = asyncio.get_running_loop()
        began = loop.time()
        failure = await content.send(self._outbound, lease.url)
        slow = loop.time() - began > self._rules.slow_after.total_seconds()
        if failure is None:
            await self._settle(lease, content.cursor, told=True, slow=slow)
        else:
            await self._fail(lease, failure, slow=slow)

    async def _read(self, lease: Lease) -> Content | Cursor | None:
        try:
            async with self._pool.connection() as connection:
                return await read_content(
                    connection, lease, key=self._key, version=self._version, plans=self._rules.plans
                )
        except Problem:
            return None  # the account, or its key, has just gone

    async def _settle(self, lease: Lease, cursor: Cursor, *, told: bool, slow: bool) -> None:
        async with self._pool.connection() as connection:
            more = await settle(connection, lease, cursor, told=told, slow=slow)
        if told and lease.failures:
            log.info("endpoint %s is reached again after %d failures", lease.id, lease.failures)
        if more:
            self.hint(frozenset([lease.user_id]))

    async def _fail(self, lease: Lease, failure: Failure, *, slow: bool) -> None:
        then = after_failure(
            lease.failures + 1,
            failing_for=lease.taken_at - (lease.failing_since or lease.taken_at),
            off_for=None if lease.off_at is None else lease.taken_at - lease.off_at,
            chance=random.random(),  # noqa: S311 - spreads retries, no secret
        )
        async with self._pool.connection() as connection:
            await fail(connection, lease, failure, then, slow=slow)
        if then.off and lease.off_at is None:
            log.warning("endpoint %s of user %s is off: it failed for days (%s)", lease.id, lease.user_id, failure)
        else:
            log.info("endpoint %s failed (%s), try %d", lease.id, failure, lease.failures + 1)
