"""Receive Enode's deliveries: verify the signature and store the events. They are processed later.

A delivery is committed before it is answered with 2xx.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Collection, Coroutine, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

from relay.inbox.models import EnodeDelivery, InboxEvent, InboxSource, StoreResult
from relay.inbox.parser import create_set_aside_item, parse_delivery
from relay.inbox.repository import UNSTORABLE_ERRORS, store_delivery
from relay.inbox.signature import has_valid_signature
from relay.kit.clock_skew import correct_created_time
from relay.kit.database import Connection, Pool
from relay.kit.problems import Problem
from relay.kit.security_events import SecurityEvent, log_security_event

log = logging.getLogger(__name__)

LARGE_BODY_BYTES = 256 * 1024
"""Parsing a larger body may take long, and would keep every other request waiting. Enode's are a few kilobytes."""
REPORT_INTERVAL_SECONDS = 60.0
STORE_TIMEOUT_SECONDS = 1.8
"""Enode gives up after five seconds; the relay answers within two."""


class Inbox:
    """Receives Enode's deliveries and stores their events.

    `account_id` names the relay's account at Enode. `secrets` are the valid signing secrets. `wake` is called with the
    users who have new events, after the commit; `on_signature_failure` for each delivery with an invalid signature.
    """

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
        self._reported_at: float | None = None
        self._pool = pool
        self._account_id = account_id
        self._secrets = tuple(secrets)
        self._wake = wake
        self._store_tasks: set[asyncio.Task[StoreResult]] = set()

    async def receive(self, raw: bytes, signature: str | None) -> StoreResult:
        """Verify and store a delivery. Raises Problem 401 for an invalid signature, 503 without a database."""
        if not has_valid_signature(raw, signature, self._secrets):
            self._on_signature_failure()
            log.info("enode delivery rejected reason=signature bytes=%d", len(raw))
            self._report_wrong_signature()
            raise Problem(
                401,
                "unauthorized",
                "The signature is missing or wrong. Sign the body with the secret of the webhook subscription.",
                headers={"WWW-Authenticate": "x-enode-signature"},
            )
        is_large = len(raw) > LARGE_BODY_BYTES
        delivery = await asyncio.to_thread(parse_delivery, raw) if is_large else parse_delivery(raw)
        delivery = _correct_created_times(delivery, datetime.now(UTC))
        return await self._wait_with_timeout(self._store_delivery("webhook", delivery))

    def _report_wrong_signature(self) -> None:
        """Log a security event, at most once in REPORT_INTERVAL_SECONDS: anyone can send many forged deliveries."""
        now = time.monotonic()
        if self._reported_at is None or now - self._reported_at >= REPORT_INTERVAL_SECONDS:
            self._reported_at = now
            log_security_event(SecurityEvent.WEBHOOK_SIGNATURE_REFUSED)

    async def store_events(self, events: Sequence[InboxEvent], *, source: InboxSource) -> StoreResult:
        """Store events that the relay created itself, for example by polling. Raises psycopg.Error."""
        return await self._store_delivery(source, EnodeDelivery(events=tuple(events)))

    async def _wait_with_timeout(self, storing: Coroutine[None, None, StoreResult]) -> StoreResult:
        """Wait for `storing` until the timeout. It then continues: if it succeeds, Enode's retry stores nothing new."""
        task = asyncio.create_task(storing)
        self._store_tasks.add(task)  # the event loop keeps only weak references to tasks
        task.add_done_callback(self._store_tasks.discard)
        done, _ = await asyncio.wait({task}, timeout=STORE_TIMEOUT_SECONDS)
        if done:
            return task.result()
        log.warning("enode delivery not stored in time timeout_seconds=%s", STORE_TIMEOUT_SECONDS)
        task.add_done_callback(_log_late_failure)
        raise Problem(
            503, "unavailable", "The database doesn't respond. Send the delivery again.", headers={"Retry-After": "5"}
        )

    async def _store_delivery(self, source: InboxSource, delivery: EnodeDelivery) -> StoreResult:
        async with self._pool.connection(timeout=STORE_TIMEOUT_SECONDS) as connection:
            try:
                user_ids = await store_delivery(connection, self._account_id, source, delivery)
            except UNSTORABLE_ERRORS:
                user_ids = await self._store_rows_separately(connection, source, delivery)
        if users_with_events := {user_id for user_id in user_ids if user_id is not None}:
            self._wake(users_with_events)
        total = len(delivery.events) + len(delivery.set_aside)
        return StoreResult(stored=len(user_ids), known=total - len(user_ids))

    async def _store_rows_separately(
        self, connection: Connection, source: InboxSource, delivery: EnodeDelivery
    ) -> list[UUID | None]:
        """Store each row on its own, in order, so that one that the database rejects doesn't block the others.

        It is set aside, unless the relay made the event itself: that would happen again at every poll.
        """
        user_ids = []
        for event in delivery.events:
            try:
                user_ids += await store_delivery(connection, self._account_id, source, EnodeDelivery(events=(event,)))
            except UNSTORABLE_ERRORS as error:
                log.warning("event rejected by the database error=%s", type(error).__name__)
                if source == "webhook":
                    rejected = create_set_aside_item(event.payload.encode(), "the database rejected an event")
                    user_ids += await store_delivery(
                        connection, self._account_id, source, EnodeDelivery(set_aside=(rejected,))
                    )
        rest = EnodeDelivery(set_aside=delivery.set_aside)
        return [*user_ids, *await store_delivery(connection, self._account_id, source, rest)]


def _correct_created_times(delivery: EnodeDelivery, received_at: datetime) -> EnodeDelivery:
    """The delivery with the times at which its events can have been created."""
    events = [
        replace(event, created_at=correct_created_time(event.created_at, event.observed_at, received_at))
        for event in delivery.events
    ]
    return replace(delivery, events=tuple(events))


def _log_late_failure(task: asyncio.Task[StoreResult]) -> None:
    if not task.cancelled() and (error := task.exception()):
        log.warning("late enode delivery failed error=%s", type(error).__name__)
