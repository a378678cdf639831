"""Store, then answer, then act: this is the first. What we answer 2xx to is committed."""

import asyncio
import logging
from collections.abc import Callable, Collection, Coroutine, Sequence
from uuid import UUID

from relay.inbox.events import read_delivery, set_aside
from relay.inbox.models import Delivery, Event, Receipt, Source
from relay.inbox.repository import REFUSED, store
from relay.inbox.signature import is_signed
from relay.kit.database import Connection, Pool
from relay.kit.problems import Problem

log = logging.getLogger(__name__)

MEBIBYTE = 1024 * 1024
PATIENCE = 1.8
"""Seconds to store a delivery in. Enode gives up after five; our own answer shall be there within two."""


class Inbox:
    """Takes what Enode says. `wake` is called with the users who have something new, after the commit.

    `account_id` names our account at Enode; `secrets` are those that may have signed; `on_forged` is called for each
    delivery that was refused.
    """

    limit = 4 * MEBIBYTE
    """Bytes of one delivery."""

    def __init__(
        self,
        pool: Pool,
        *,
        account_id: str,
        secrets: Sequence[str],
        wake: Callable[[Collection[UUID]], None],
        on_forged: Callable[[], None] = lambda: None,
    ) -> None:
        self._on_forged = on_forged
        self._pool = pool
        self._account_id = account_id
        self._secrets = tuple(secrets)
        self._wake = wake
        self._storing: set[asyncio.Task[Receipt]] = set()

    async def receive(self, raw: bytes, signature: str | None) -> Receipt:
        """Store a delivery. Raises Problem 401 for one that Enode did not sign, 503 when the database is away."""
        if not is_signed(raw, signature, self._secrets):
            self._on_forged()
            log.info("a delivery of %d bytes was refused: its signature is missing or wrong", len(raw))
            raise Problem(
                401,
                "unauthorized",
                "The signature is missing or wrong.",
                headers={"WWW-Authenticate": "x-enode-signature"},
            )
        return await self._in_time(self._store("webhook", read_delivery(raw), raw))

    async def put(self, events: Sequence[Event], *, source: Source) -> Receipt:
        """Store events that the relay found out by itself. Raises psycopg.Error."""
        return await self._store(source, Delivery(events=tuple(events)))

    async def _in_time(self, storing: Coroutine[None, None, Receipt]) -> Receipt:
        """What is late goes on: if it is stored after all, it is known when Enode sends it again."""
        task = asyncio.create_task(storing)
        self._storing.add(task)  # the event loop itself keeps no hold of its tasks
        task.add_done_callback(self._storing.discard)
        done, _ = await asyncio.wait({task}, timeout=PATIENCE)
        if done:
            return task.result()
        log.warning("the database is too slow to store a delivery in time")
        task.add_done_callback(_tell_how_it_ended)
        raise Problem(503, "unavailable", "The database does not answer.", headers={"Retry-After": "5"})

    async def _store(self, source: Source, delivery: Delivery, raw: bytes | None = None) -> Receipt:
        async with self._pool.connection(timeout=PATIENCE) as connection:
            try:
                users = await store(connection, self._account_id, source, delivery)
            except REFUSED:
                aside = set_aside(raw, "the database refused an event") if raw is not None else None
                delivery = Delivery(events=delivery.events, set_aside=aside)
                users = await self._store_each(connection, source, delivery)
        if woken := {user for user in users if user is not None}:
            self._wake(woken)
        total = len(delivery.events) + (delivery.set_aside is not None)
        return Receipt(stored=len(users), known=total - len(users))

    async def _store_each(self, connection: Connection, source: Source, delivery: Delivery) -> list[UUID | None]:
        """Each row alone, in order, so that one the database refuses keeps no other out."""
        parts = [*(Delivery(events=(event,)) for event in delivery.events), Delivery(set_aside=delivery.set_aside)]
        users = []
        for part in parts:
            try:
                users += await store(connection, self._account_id, source, part)
            except REFUSED as error:
                log.warning("the database refused an event: %s", type(error).__name__)
        return users


def _tell_how_it_ended(late: asyncio.Task[Receipt]) -> None:
    if not late.cancelled() and (error := late.exception()):
        log.warning("a late delivery was not stored: %s", type(error).__name__)
