"""Monitor the health of Enode's webhook, alert the operator when it changes, and fill gaps after an outage.

Gaps are filled by fetching all vehicles from Enode. Deletions that were missed can be found in no other way.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import LiteralString

from psycopg.rows import class_row

from relay.gateways.enode import EnodeError
from relay.kit.database import Pool, fetch_one
from relay.kit.stored_times import is_recent
from relay.usecases.operations.webhook_health import (
    STATE_DESCRIPTIONS,
    WebhookHealth,
    WebhookState,
    determine_state,
    has_gap,
    is_alert_due,
)

log = logging.getLogger(__name__)

CHECK_INTERVAL_SECONDS = 30.0

READ_HEALTH: LiteralString = f"""
select now() as now, h.state, h.since, h.failing_since, h.alerted_state, h.alerted_at, h.reconciled_at,
    w.is_active, w.test_succeeded, w.created_at as subscribed_at,
    greatest(w.last_success, last_event.created_at) as last_received_at,
    (select coalesce(sum(f.count), 0)::int from signature_failures f
     where {is_recent("f.minute", "interval '1 hour'")}
       and f.minute > coalesce(last_event.created_at, '-infinity')) as failures
from enode_health h left join lateral (
    select * from webhook_subscriptions s where s.account_id = h.account_id order by s.updated_at desc limit 1
) w on true left join lateral (
    select l.created_at from webhook_logs l where l.account_id = h.account_id and l.source = 'webhook'
    order by l.created_at desc limit 1
) last_event on true
where h.account_id = %s
"""  # noqa: S608 - our own constant
SET_STATE: LiteralString = "update enode_health set state = %s, since = now() where account_id = %s"
SET_ALERTED: LiteralString = "update enode_health set alerted_state = %s, alerted_at = now() where account_id = %s"
SET_RECONCILED: LiteralString = "update enode_health set reconciled_at = now() where account_id = %s"


@dataclass(frozen=True, kw_only=True, slots=True)
class Alert:
    """A message to the operator about the webhook's state."""

    state: WebhookState
    since: datetime
    text: str


type SendAlert = Callable[[Alert], Awaitable[bool]]
"""Sends an alert to the operator; False if that failed and should be retried."""


class WebhookMonitor:
    """Monitors one account's webhook while it runs. `reconcile` fetches all vehicles from Enode."""

    def __init__(
        self,
        pool: Pool,
        *,
        account_id: str,
        max_silence: timedelta,
        send_alert: SendAlert,
        reconcile: Callable[[], Awaitable[object]],
    ) -> None:
        self._pool = pool
        self._account_id = account_id
        self._max_silence = max_silence
        self._send_alert = send_alert
        self._reconcile = reconcile
        self._check_requested = asyncio.Event()

    def request_check(self) -> None:
        """Check now, because stored facts have changed."""
        self._check_requested.set()

    async def run(self) -> None:
        """Monitor until cancelled. A new leader starts without assumptions about events missed before it."""
        await self._execute(SET_STATE, "starting", self._account_id)
        while True:
            await self.check()
            try:
                async with asyncio.timeout(CHECK_INTERVAL_SECONDS):
                    await self._check_requested.wait()
            except TimeoutError:
                pass
            self._check_requested.clear()

    async def check(self) -> WebhookState | None:
        """Update the state once, fill gaps and send an alert that is due. Returns the state.

        None before the first check of the webhook subscription, which creates the row that this reads.
        """
        health = await self._read_health()
        if health is None:
            return None
        state = determine_state(health, max_silence=self._max_silence)
        if has_gap(health, state) and not await self._fill_gaps():
            return health.state  # unchanged, so that the next check tries again
        if state != health.state:
            await self._execute(SET_STATE, state, self._account_id)
            level = logging.INFO if state in {"ok", "starting"} else logging.WARNING
            log.log(level, "enode webhook state changed state=%s description=%r", state, STATE_DESCRIPTIONS[state])
        if is_alert_due(health, state):
            since = health.since if state == health.state else health.now
            if await self._send_alert(Alert(state=state, since=since, text=f"EVConduit: {STATE_DESCRIPTIONS[state]}")):
                await self._execute(SET_ALERTED, state, self._account_id)
        return state

    async def _fill_gaps(self) -> bool:
        try:
            await self._reconcile()
        except EnodeError as error:
            log.warning("reconciliation with enode failed error=%s", type(error).__name__)
            return False
        await self._execute(SET_RECONCILED, self._account_id)
        log.info("reconciliation with enode completed")
        return True

    async def _read_health(self) -> WebhookHealth | None:
        async with self._pool.connection() as connection:
            return await fetch_one(connection, READ_HEALTH, [self._account_id], class_row(WebhookHealth))

    async def _execute(self, statement: LiteralString, *values: object) -> None:
        async with self._pool.connection() as connection:
            await connection.execute(statement, values)
