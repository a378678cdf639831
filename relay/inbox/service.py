"""Store, then answer, then act: this is the first. What we answer 2xx to is committed."""

import asyncio
import logging
from collections.abc import Callable, Collection, Coroutine, Sequence
from uuid import UUID

from relay.inbox.models import EnodeDelivery, InboxEvent, InboxSource, StoreResult
from relay.inbox.parser import create_set_aside_body, parse_delivery
from relay.inbox.repository import UNSTORABLE_ERRORS, store_delivery
from relay.inbox.signature import has_valid_signature
from relay.kit.database import Connection, Pool
from relay.kit.problems import Problem

log = logging.getLogger(__name__)

MEBIBYTE = 1024 * 1024
STORE_TIMEOUT_SECONDS = 1.8
"""Seconds to store a delivery in. Enode gives up after five; our own answer shall be there within two."""


class Inbox:
    """Takes what Enode says. `wake` is called with the users who have something new, after the commit.

    `account_id` names our account at Enode; `secrets` are those that may have signed; `on_forged` is called for each
    delivery that was refused.
    """

    max_body_bytes = 4 * MEBIBYTE
    """Bytes of one delivery."""

    def __init__(
        self,
        pool: Pool,
        *,
        account_id: str,
        secrets: Sequence[str],
        wake: Callable[[Collection[UUID]], None],
        on_signature_failure: Callable[[], None] = lambda: None,
    ) -> None:
        self._on_signature_failure = on_signature_failure
        self._pool = pool
        self._account_id = account_id
        self._secrets = tuple(secrets)
        self._wake = wake
        self._store_tasks: set[asyncio.Task[StoreResult]] = set()

    async def receive(self, raw: bytes, signature: str | None) -> StoreResult:
        """Store a delivery. Raises Problem 401 for one that Enode did not sign, 503 when the database is away."""
        if not has_valid_signature(raw, signature, self._secrets):
            self._on_signature_failure()
            log.info("a delivery of %d bytes was refused: its signature is missing or wrong", len(raw))
            raise Problem(
                401,
                "unauthorized",
                "The signature is missing or wrong.",
                headers={"WWW-Authenticate": "x-enode-signature"},
            )
        return await self._wait_with_timeout(self._store_delivery("webhook", parse_delivery(raw), raw))

    async def store_events(self, events: Sequence[InboxEvent], *, source: InboxSource) -> StoreResult:
        """Store events that the relay found out by itself. Raises psycopg.Error."""
        return await self._store_delivery(source, EnodeDelivery(events=tuple(events)))

    async def _wait_with_timeout(self, storing: Coroutine[None, None, StoreResult]) -> StoreResult:
        """What is late goes on: if it is stored after all, it is known when Enode sends it again."""
        task = asyncio.create_task(storing)
        self._store_tasks.add(task)  # the event loop itself keeps no hold of its tasks
        task.add_done_callback(self._store_tasks.discard)
        done, _ = await asyncio.wait({task}, timeout=STORE_TIMEOUT_SECONDS)
        if done:
            return task.result()
        log.warning("the database is too slow to store a delivery in time")
        task.add_done_callback(_log_late_failure)
        raise Problem(503, "unavailable", "The database does not answer.", headers={"Retry-After": "5"})

    async def _store_delivery(
        self, source: InboxSource, delivery: EnodeDelivery, raw: bytes | None = None
    ) -> StoreResult:
        async with self._pool.connection(timeout=STORE_TIMEOUT_SECONDS) as connection:
            try:
                users = await store_delivery(connection, self._account_id, source, delivery)
            except UNSTORABLE_ERRORS:
                aside = create_set_aside_body(raw, "the database refused an event") if raw is not None else None
                delivery = EnodeDelivery(events=delivery.events, set_aside=aside)
                users = await self._store_rows_separately(connection, source, delivery)
        if woken := {user for user in users if user is not None}:
            self._wake(woken)
        total = len(delivery.events) + (delivery.set_aside is not None)
        return StoreResult(stored=len(users), known=total - len(users))

    async def _store_rows_separately(
        self, connection: Connection, source: InboxSource, delivery: EnodeDelivery
    ) -> list[UUID | None]:
        """Each row alone, in order, so that one the database refuses keeps no other out."""
        parts = [
            *(EnodeDelivery(events=(event,)) for event in delivery.events),
            EnodeDelivery(set_aside=delivery.set_aside),
        ]
        users = []
        for part in parts:
            try:
                users += await store_delivery(connection, self._account_id, source, part)
            except UNSTORABLE_ERRORS as error:
                log.warning("the database refused an event: %s", type(error).__name__)
        return users


def _log_late_failure(task: asyncio.Task[StoreResult]) -> None:
    if not task.cancelled() and (error := task.exception()):
        log.warning("a late delivery was not stored: %s", type(error).__name__)
