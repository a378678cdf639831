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

from relay.bus.waker import Hint
from relay.delivery.retry import plan_retry
from relay.feed.messages import Cursor
from relay.kit.database import Pool
from relay.kit.outbound import OutboundClient, OutboundFailure
from relay.kit.problems import Problem
from relay.plans import SELF_HOSTED_PLANS, Plans
from relay.usecases.endpoints.deliver_message import DeliveryContent, read_content
from relay.usecases.endpoints.lease_endpoints import (
    Lease,
    advance_cursor,
    lease_due_endpoints,
    record_failure,
    release_lease,
)

log = logging.getLogger(__name__)

DATABASE_ERROR_DELAY_SECONDS = 1.0

# A row a state that occurs: how many endpoints, and for how many seconds the one furthest behind has been owed
# something. `streaming` is told by its stream, `failing` is tried again, `off` is hardly tried any more.
DELIVERY_METRICS: LiteralString = """
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

    quick_slots: int = 48
    # For endpoints that failed last, or took longer than `slow_after` for their answer.
    slow_slots: int = 16
    slow_after: timedelta = timedelta(seconds=2)
    sweep_interval: timedelta = timedelta(seconds=5)
    # Hints that come together are looked at together.
    hint_window: timedelta = timedelta(milliseconds=10)
    # Who is told at all.
    plans: Plans = SELF_HOSTED_PLANS


class Deliverer:
    """Delivers as long as it runs. Any number of them share the work."""

    def __init__(
        self,
        pool: Pool,
        outbound: OutboundClient,
        *,
        secret_key: bytes,
        version: str,
        rules: DeliveryRules | None = None,
    ) -> None:
        self._pool = pool
        self._outbound = outbound
        self._secret_key = secret_key
        self._version = version
        self._rules = rules or DeliveryRules()
        self._pending_hint: Hint = frozenset()
        self._hint_received = asyncio.Event()
        self._slot_released = asyncio.Event()
        self._in_flight: dict[bool, int] = {False: 0, True: 0}
        self._exhausted_kinds: set[bool] = set()

    def add_hint(self, hint: Hint) -> None:
        """These users (None: anybody) may have something to be told."""
        self._pending_hint = None if hint is None or self._pending_hint is None else self._pending_hint | hint
        self._hint_received.set()

    async def run(self) -> None:
        """Deliver until cancelled. What is under way then may be sent once more, under the same id."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._run_sweep_loop())
            while True:
                await self._hint_received.wait()
                await asyncio.sleep(self._rules.hint_window.total_seconds())
                await self._wait_for_free_slot()
                for lease in await self._lease_due():
                    is_slow = self._is_slow(lease)
                    self._in_flight[is_slow] += 1
                    tasks.create_task(self._deliver(lease)).add_done_callback(partial(self._release_slot, is_slow))

    async def deliver_once(self) -> int:
        """Deliver to all who are due now, and return to how many that was."""
        self.add_hint(None)
        leases = await self._lease_due()
        await asyncio.gather(*(self._deliver(lease) for lease in leases))
        return len(leases)

    async def _run_sweep_loop(self) -> None:
        while True:
            self.add_hint(None)
            await asyncio.sleep(self._rules.sweep_interval.total_seconds())

    def _get_free_slots(self) -> tuple[int, int]:
        return self._rules.quick_slots - self._in_flight[False], self._rules.slow_slots - self._in_flight[True]

    async def _wait_for_free_slot(self) -> None:
        while not any(self._get_free_slots()):
            self._slot_released.clear()
            await self._slot_released.wait()

    def _release_slot(self, is_slow: bool, _task: asyncio.Task[None]) -> None:  # noqa: FBT001 - which kind of place is free
        self._in_flight[is_slow] -= 1
        self._slot_released.set()
        if is_slow in self._exhausted_kinds:
            self._exhausted_kinds.remove(is_slow)
            self.add_hint(None)

    @staticmethod
    def _is_slow(lease: Lease) -> bool:
        return lease.slow or lease.failures > 0

    async def _lease_due(self) -> list[Lease]:
        """Lease for the free places whom the hints are about."""
        hint, self._pending_hint = self._pending_hint, frozenset()
        self._hint_received.clear()
        quick, slow = self._get_free_slots()
        try:
            async with self._pool.connection() as connection:
                users = None if hint is None else list(hint)
                leases = await lease_due_endpoints(
                    connection, users, self._rules.plans.push_plans, quick_slots=quick, slow_slots=slow
                )
        except psycopg.Error as error:
            log.warning("deliveries wait: %s", type(error).__name__)
            await asyncio.sleep(DATABASE_ERROR_DELAY_SECONDS)
            return []  # the sweep comes back to them
        taken = sum(map(self._is_slow, leases))
        # Who found no place is looked for again as soon as there is one.
        if taken >= slow:
            self._exhausted_kinds.add(True)
        if len(leases) - taken >= quick:
            self._exhausted_kinds.add(False)
        return leases

    async def _deliver(self, lease: Lease) -> None:
        try:
            await self._attempt_delivery(lease)
        except psycopg.Error as error:
            # The lease runs out, and it is tried again.
            log.warning("what came of endpoint %s could not be noted (%s)", lease.id, type(error).__name__)
        except asyncio.CancelledError:
            with suppress(psycopg.Error):
                async with self._pool.connection() as connection:
                    await release_lease(connection, lease)
            raise
        except Exception as error:  # noqa: BLE001 - one odd endpoint must not stop the rest
            # Not its text, which may hold the URL.
            log.error("endpoint %s: unexpected %s", lease.id, type(error).__name__)  # noqa: TRY400 - the same

    async def _attempt_delivery(self, lease: Lease) -> None:
        content = await self._read_content(lease)
        if content is None:
            return
        if isinstance(content, Cursor):
            await self._advance_cursor(lease, content, delivered=False, slow=lease.slow)
            return
        loop = asyncio.get_running_loop()
        began = loop.time()
        failure = await content.send(self._outbound, lease.url)
        slow = loop.time() - began > self._rules.slow_after.total_seconds()
        if failure is None:
            await self._advance_cursor(lease, content.cursor, delivered=True, slow=slow)
        else:
            await self._record_failure(lease, failure, slow=slow)

    async def _read_content(self, lease: Lease) -> DeliveryContent | Cursor | None:
        try:
            async with self._pool.connection() as connection:
                return await read_content(
                    connection, lease, secret_key=self._secret_key, version=self._version, plans=self._rules.plans
                )
        except Problem:
            return None  # the account, or its key, has just gone

    async def _advance_cursor(self, lease: Lease, cursor: Cursor, *, delivered: bool, slow: bool) -> None:
        async with self._pool.connection() as connection:
            more = await advance_cursor(connection, lease, cursor, delivered=delivered, slow=slow)
        if delivered and lease.failures:
            log.info("endpoint %s is reached again after %d failures", lease.id, lease.failures)
        if more:
            self.add_hint(frozenset([lease.user_id]))

    async def _record_failure(self, lease: Lease, failure: OutboundFailure, *, slow: bool) -> None:
        then = plan_retry(
            lease.failures + 1,
            failing_for=lease.taken_at - (lease.failing_since or lease.taken_at),
            off_for=None if lease.off_at is None else lease.taken_at - lease.off_at,
            random_fraction=random.random(),  # noqa: S311 - spreads retries, no secret
        )
        async with self._pool.connection() as connection:
            await record_failure(connection, lease, failure, then, slow=slow)
        if then.is_off and lease.off_at is None:
            log.warning("endpoint %s of user %s is off: it failed for days (%s)", lease.id, lease.user_id, failure)
        else:
            log.info("endpoint %s failed (%s), try %d", lease.id, failure, lease.failures + 1)
