"""How it goes with Enode's webhook, judged from what the database knows; the operator is told when it changes.

After an outage the gaps are filled by asking Enode for all cars: what it deleted while we were away comes no other way.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, LiteralString

from psycopg.rows import class_row

from relay.gateways.enode import EnodeError
from relay.kit.database import Pool

log = logging.getLogger(__name__)

type WebhookState = Literal["starting", "ok", "unreachable", "inactive", "signature_failures", "silent"]

STATE_DESCRIPTIONS: dict[WebhookState, str] = {
    "starting": "Nothing is known of Enode's webhook yet.",
    "ok": "Enode's webhook works.",
    "unreachable": "Enode does not answer the relay, or refuses its credentials.",
    "inactive": "Enode's webhook is switched off, or its test delivery does not arrive: can WEBHOOK_URL be reached?",
    "signature_failures": "Deliveries arrive with a wrong signature: is ENODE_WEBHOOK_SECRET the one that Enode has?",
    "silent": "Enode has sent nothing for longer than it ever should, not even a heartbeat.",
}

CHECK_INTERVAL_SECONDS = 30.0
# One failed look is a hiccup, and so is one forged delivery.
UNREACHABLE_AFTER = timedelta(minutes=2)
MIN_SIGNATURE_FAILURES = 3
# So much later than the last thing heard we cannot know whether Enode kept the rest for us.
OUTAGE_AFTER = timedelta(minutes=10)
ALERT_REPEAT_INTERVAL = timedelta(hours=24)

READ_HEALTH: LiteralString = """
select now() as now, h.state, h.since, h.failing_since, h.alerted_state, h.alerted_at, h.reconciled_at,
    w.is_active, w.test_succeeded, w.created_at as subscribed_at,
    greatest(w.last_success, heard.created_at) as heard_at,
    (select coalesce(sum(f.count), 0)::int from signature_failures f
     where f.minute > now() - interval '1 hour'
       and f.minute > coalesce(heard.created_at, '-infinity')) as failures
from enode_health h left join lateral (
    select * from webhook_subscriptions s where s.account_id = h.account_id order by s.updated_at desc limit 1
) w on true left join lateral (
    select l.created_at from webhook_logs l where l.account_id = h.account_id and l.source = 'webhook'
    order by l.created_at desc limit 1
) heard on true
where h.account_id = %s
"""
SET_STATE: LiteralString = "update enode_health set state = %s, since = now() where account_id = %s"
SET_ALERTED: LiteralString = "update enode_health set alerted_state = %s, alerted_at = now() where account_id = %s"
SET_RECONCILED: LiteralString = "update enode_health set reconciled_at = now() where account_id = %s"


@dataclass(frozen=True, kw_only=True, slots=True)
class WebhookHealth:
    """What the database knows about one account's webhook. `failures`: wrong signatures since the last right one."""

    now: datetime
    state: WebhookState
    since: datetime
    failing_since: datetime | None
    alerted_state: WebhookState | None
    alerted_at: datetime | None
    reconciled_at: datetime | None
    is_active: bool | None
    test_succeeded: bool | None
    subscribed_at: datetime | None
    heard_at: datetime | None
    failures: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Alert:
    """What an operator is told."""

    state: WebhookState
    since: datetime
    text: str


type SendAlert = Callable[[Alert], Awaitable[bool]]
"""Tells the operator; False when that failed, and is to be tried again."""


def determine_state(health: WebhookHealth, *, max_silence: timedelta) -> WebhookState:
    """The state of the webhook, the worst first: what stands before the rest explains the rest."""
    if health.failing_since is not None and health.now - health.failing_since >= UNREACHABLE_AFTER:
        return "unreachable"
    if health.failures >= MIN_SIGNATURE_FAILURES:
        return "signature_failures"
    if health.is_active is False or health.test_succeeded is False:
        return "inactive"
    if health.subscribed_at is None:
        return "starting"
    if health.now - max(health.heard_at or health.subscribed_at, health.subscribed_at) > max_silence:
        return "silent"
    return "ok"


def is_alert_due(health: WebhookHealth, state: WebhookState) -> bool:
    """Whether the operator is told: of trouble, once a day while it lasts, and of its end."""
    if state in {"ok", "starting"}:
        return state == "ok" and health.alerted_state not in {None, "ok"}
    if state == "signature_failures" and (health.state != state or health.now - health.since < OUTAGE_AFTER):
        return False  # anybody can forge a few
    if health.alerted_state != state:
        return True
    return health.alerted_at is not None and health.now - health.alerted_at >= ALERT_REPEAT_INTERVAL


def has_gap(health: WebhookHealth, state: WebhookState) -> bool:
    """Whether something may have been lost: it works now, and since the last reconcile it did not for a while."""
    if state != "ok":
        return False
    # The second: trouble that a former leader saw, and whose end it did not live to see.
    if health.state == "signature_failures" and health.now - health.since < OUTAGE_AFTER:
        return False  # anybody can forge a few; Enode's patience lasts longer
    if health.state not in {"ok", "starting"} or health.alerted_state not in {None, "ok"}:
        return True
    return health.reconciled_at is None or (
        health.state == "starting" and health.now - health.reconciled_at > OUTAGE_AFTER
    )


class WebhookMonitor:
    """Watches one account's webhook as long as it runs. `reconcile` asks Enode for everything."""

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
        """Look now: something is known that was not."""
        self._check_requested.set()

    async def run(self) -> None:
        """Watch until cancelled. Who begins to watch does not know what was missed before."""
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
        """Judge once, and do what follows from it. None before the keeper has looked for the first time."""
        facts = await self._read_health()
        if facts is None:
            return None
        state = determine_state(facts, max_silence=self._max_silence)
        if has_gap(facts, state) and not await self._fill_gaps():
            return facts.state  # the next look tries again, because the state still is what it was
        if state != facts.state:
            await self._execute(SET_STATE, state, self._account_id)
            log.log(
                logging.INFO if state in {"ok", "starting"} else logging.WARNING,
                "enode webhook: %s",
                STATE_DESCRIPTIONS[state],
            )
        if is_alert_due(facts, state):
            since = facts.since if state == facts.state else facts.now
            if await self._send_alert(Alert(state=state, since=since, text=f"EVConduit: {STATE_DESCRIPTIONS[state]}")):
                await self._execute(SET_ALERTED, state, self._account_id)
        return state

    async def _fill_gaps(self) -> bool:
        try:
            await self._reconcile()
        except EnodeError as error:
            log.warning("after an outage Enode could not be asked for all cars: %s", type(error).__name__)
            return False
        await self._execute(SET_RECONCILED, self._account_id)
        log.info("asked Enode for all cars, to fill what an outage may have cost")
        return True

    async def _read_health(self) -> WebhookHealth | None:
        async with (
            self._pool.connection() as connection,
            connection.cursor(row_factory=class_row(WebhookHealth)) as cursor,
        ):
            await cursor.execute(READ_HEALTH, [self._account_id])
            return await cursor.fetchone()

    async def _execute(self, statement: LiteralString, *values: object) -> None:
        async with self._pool.connection() as connection:
            await connection.execute(statement, values)
