"""Deliver to endpoints: every endpoint that is behind its feed and due gets the newest state, one POST at a time.

Hints trigger deliveries at once, and a regular sweep over all users makes up for lost hints. Failing and slow endpoints
have slots of their own, so that quick ones never wait for them. No transaction is open during a POST.
"""

import asyncio
import logging
import random
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

import psycopg

from relay.bus.waker import Hint
from relay.delivery.delivery_queue import (
    DeliveryLease,
    advance_cursor,
    is_lease_valid,
    lease_due_endpoints,
    record_failure,
    release_lease,
)
from relay.delivery.retry import plan_retry
from relay.feed.cursor import Cursor
from relay.kit.database import Pool
from relay.kit.outbound import OutboundClient, OutboundFailure, RequestWithdrawnError
from relay.kit.problems import Problem
from relay.plans import SELF_HOSTED_PLANS, Plans
from relay.usecases.endpoints.deliver_message import DeliveryContent, read_content

log = logging.getLogger(__name__)

DATABASE_ERROR_DELAY_SECONDS = 1.0


@dataclass(frozen=True, kw_only=True, slots=True)
class DeliveryRules:
    """Limits on concurrent POSTs of one process, and intervals."""

    quick_slots: int = 48
    # For endpoints whose last attempt failed, or took longer than `slow_after`.
    slow_slots: int = 16
    slow_after: timedelta = timedelta(seconds=2)
    sweep_interval: timedelta = timedelta(seconds=5)
    # Hints within this time are handled by one query.
    hint_window: timedelta = timedelta(milliseconds=10)
    # Only users with a push plan receive deliveries.
    plans: Plans = SELF_HOSTED_PLANS


class Deliverer:
    """Delivers to due endpoints. Any number of them, in any number of processes, share the work."""

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
        # By kind of slot; the key is True for slow ones.
        self._in_flight: dict[bool, int] = {False: 0, True: 0}
        self._exhausted_kinds: set[bool] = set()

    def add_hint(self, hint: Hint) -> None:
        """Check the endpoints of these users (None: of all users) soon."""
        self._pending_hint = None if hint is None or self._pending_hint is None else self._pending_hint | hint
        self._hint_received.set()

    async def run(self) -> None:
        """Deliver until cancelled. A POST under way at that moment may be repeated with the same message id."""
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
        """Deliver to the endpoints that are due now, as many as there are slots; returns their number."""
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

    def _release_slot(self, is_slow: bool, _task: asyncio.Task[None]) -> None:  # noqa: FBT001 - which kind of slot is free
        self._in_flight[is_slow] -= 1
        self._slot_released.set()
        if is_slow in self._exhausted_kinds:
            self._exhausted_kinds.remove(is_slow)
            self.add_hint(None)

    @staticmethod
    def _is_slow(lease: DeliveryLease) -> bool:
        return lease.slow or lease.failures > 0

    async def _lease_due(self) -> list[DeliveryLease]:
        """Lease due endpoints of the hinted users, as many as there are free slots."""
        hint, self._pending_hint = self._pending_hint, frozenset()
        self._hint_received.clear()
        quick, slow = self._get_free_slots()
        try:
            async with self._pool.connection() as connection:
                user_ids = None if hint is None else list(hint)
                leases = await lease_due_endpoints(
                    connection, user_ids, self._rules.plans.push_plans, quick_slots=quick, slow_slots=slow
                )
        except psycopg.Error as error:
            log.warning("leasing endpoints failed error=%s", type(error).__name__)
            await asyncio.sleep(DATABASE_ERROR_DELAY_SECONDS)
            return []  # the sweep retries
        slow_count = sum(map(self._is_slow, leases))
        # All slots of a kind are taken, so more endpoints may be due: query again as soon as one is free.
        if slow_count >= slow:
            self._exhausted_kinds.add(True)
        if len(leases) - slow_count >= quick:
            self._exhausted_kinds.add(False)
        return leases

    async def _deliver(self, lease: DeliveryLease) -> None:
        try:
            await self._attempt_delivery(lease)
        except psycopg.Error as error:
            # The lease runs out, and the delivery is repeated.
            log.warning("delivery interrupted by database error endpoint=%s error=%s", lease.id, type(error).__name__)
        except asyncio.CancelledError:
            with suppress(psycopg.Error):
                async with self._pool.connection() as connection:
                    await release_lease(connection, lease)
            raise
        except Exception as error:  # noqa: BLE001 - one endpoint must not stop the others
            # Without the error's text, which may contain the URL.
            log.error("delivery crashed endpoint=%s error=%s", lease.id, type(error).__name__)  # noqa: TRY400 - as above

    async def _attempt_delivery(self, lease: DeliveryLease) -> None:
        content = await self._read_content(lease)
        if content is None:
            return
        if isinstance(content, Cursor):
            await self._advance_cursor(lease, content, delivered=False, slow=lease.slow)
            return
        loop = asyncio.get_running_loop()
        started_at = loop.time()
        try:
            failure = await content.send(partial(self._post_while_leased, lease))
        except RequestWithdrawnError:
            log.info("delivery withdrawn endpoint=%s", lease.id)
            return
        slow = loop.time() - started_at > self._rules.slow_after.total_seconds()
        if failure is None:
            await self._advance_cursor(lease, content.cursor, delivered=True, slow=slow)
        else:
            await self._record_failure(lease, failure, slow=slow)

    async def _post_while_leased(self, lease: DeliveryLease, body: bytes, headers: Mapping[str, str]) -> bytes:
        """POST to the endpoint unless it has been deleted or changed since it was leased."""

        async def is_still_leased() -> bool:
            async with self._pool.connection() as connection:
                return await is_lease_valid(connection, lease)

        return await self._outbound.post(lease.url, body, headers, confirm=is_still_leased)

    async def _read_content(self, lease: DeliveryLease) -> DeliveryContent | Cursor | None:
        try:
            async with self._pool.connection() as connection:
                return await read_content(
                    connection, lease, secret_key=self._secret_key, version=self._version, plans=self._rules.plans
                )
        except Problem:
            return None  # the account or its key has just been deleted

    async def _advance_cursor(self, lease: DeliveryLease, cursor: Cursor, *, delivered: bool, slow: bool) -> None:
        async with self._pool.connection() as connection:
            has_more = await advance_cursor(connection, lease, cursor, delivered=delivered, slow=slow)
        if delivered and lease.failures:
            log.info("endpoint recovered endpoint=%s failures=%d", lease.id, lease.failures)
        if has_more:
            self.add_hint(frozenset([lease.user_id]))

    async def _record_failure(self, lease: DeliveryLease, failure: OutboundFailure, *, slow: bool) -> None:
        attempt = lease.failures + 1
        retry_plan = plan_retry(
            attempt,
            failing_for=lease.leased_at - (lease.failing_since or lease.leased_at),
            off_for=None if lease.off_at is None else lease.leased_at - lease.off_at,
            random_fraction=random.random(),  # noqa: S311 - spreads retries, no secret
        )
        async with self._pool.connection() as connection:
            await record_failure(connection, lease, failure, retry_plan, slow=slow)
        if retry_plan.is_off and lease.off_at is None:
            log.warning("endpoint switched off endpoint=%s user=%s failure=%s", lease.id, lease.user_id, failure)
        else:
            log.info("webhook delivery failed endpoint=%s failure=%s attempt=%d", lease.id, failure, attempt)
