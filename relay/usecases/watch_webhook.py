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

type State = Literal["starting", "ok", "unreachable", "inactive", "signature_failures", "silent"]

MEANINGS: dict[State, str] = {
    "starting": "Nothing is known of Enode's webhook yet.",
    "ok": "Enode's webhook works.",
    "unreachable": "Enode does not answer the relay, or refuses its credentials.",
    "inactive": "Enode's webhook is switched off, or its test delivery does not arrive: can WEBHOOK_URL be reached?",
    "signature_failures": "Deliveries arrive with a wrong signature: is ENODE_WEBHOOK_SECRET the one that Enode has?",
    "silent": "Enode has sent nothing for longer than it ever should, not even a heartbeat.",
}

LOOK_SECONDS = 30.0
# One failed look is a hiccup, and so is one forged delivery.
UNREACHABLE_AFTER = timedelta(minutes=2)
FEWEST_FAILURES = 3
# So much later than the last thing heard we cannot know whether Enode kept the rest for us.
OUTAGE = timedelta(minutes=10)
REPEAT_ALERT = timedelta(hours=24)

FACTS: LiteralString = """
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
BECOME: LiteralString = "update enode_health set state = %s, since = now() where account_id = %s"
ALERTED: LiteralString = "update enode_health set alerted_state = %s, alerted_at = now() where account_id = %s"
RECONCILED: LiteralString = "update enode_health set reconciled_at = now() where account_id = %s"


@dataclass(frozen=True, kw_only=True, slots=True)
class Facts:
    """What the database knows about one account's webhook. `failures`: wrong signatures since the last right one."""

    now: datetime
    state: State
    since: datetime
    failing_since: datetime | None
    alerted_state: State | None
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

    state: State
    since: datetime
    text: str


type Tell = Callable[[Alert], Awaitable[bool]]
"""Tells the operator; False when that failed, and is to be tried again."""


def judge(facts: Facts, *, silence: timedelta) -> State:
    """The state of the webhook, the worst first: what stands before the rest explains the rest."""
    if facts.failing_since is not None and facts.now - facts.failing_since >= UNREACHABLE_AFTER:
        return "unreachable"
    if facts.failures >= FEWEST_FAILURES:
        return "signature_failures"
    if facts.is_active is False or facts.test_succeeded is False:
        return "inactive"
    if facts.subscribed_at is None:
        return "starting"
    if facts.now - max(facts.heard_at or facts.subscribed_at, facts.subscribed_at) > silence:
        return "silent"
    return "ok"


def shall_tell(facts: Facts, state: State) -> bool:
    """Whether the operator is told: of trouble, once a day while it lasts, and of its end."""
    if state in {"ok", "starting"}:
        return state == "ok" and facts.alerted_state not in {None, "ok"}
    if state == "signature_failures" and (facts.state != state or facts.now - facts.since < OUTAGE):
        return False  # anybody can forge a few
    if facts.alerted_state != state:
        return True
    return facts.alerted_at is not None and facts.now - facts.alerted_at >= REPEAT_ALERT


def has_gap(facts: Facts, state: State) -> bool:
    """Whether something may have been lost: it works now, and since the last reconcile it did not for a while."""
    if state != "ok":
        return False
    # The second: trouble that a former leader saw, and whose end it did not live to see.
    if facts.state == "signature_failures" and facts.now - facts.since < OUTAGE:
        return False  # anybody can forge a few; Enode's patience lasts longer
    if facts.state not in {"ok", "starting"} or facts.alerted_state not in {None, "ok"}:
        return True
    return facts.reconciled_at is None or (facts.state == "starting" and facts.now - facts.reconciled_at > OUTAGE)


class WebhookWatch:
    """Watches one account's webhook as long as it runs. `reconcile` asks Enode for everything."""

    def __init__(
        self,
        pool: Pool,
        *,
        account_id: str,
        silence: timedelta,
        tell: Tell,
        reconcile: Callable[[], Awaitable[object]],
    ) -> None:
        self._pool = pool
        self._account_id = account_id
        self._silence = silence
        self._tell = tell
        self._reconcile = reconcile
        self._soon = asyncio.Event()

    def nudge(self) -> None:
        """Look now: something is known that was not."""
        self._soon.set()

    async def run(self) -> None:
        """Watch until cancelled. Who begins to watch does not know what was missed before."""
        await self._execute(BECOME, "starting", self._account_id)
        while True:
            await self.look()
            try:
                async with asyncio.timeout(LOOK_SECONDS):
                    await self._soon.wait()
            except TimeoutError:
                pass
            self._soon.clear()

    async def look(self) -> State | None:
        """Judge once, and do what follows from it. None before the keeper has looked for the first time."""
        facts = await self._facts()
        if facts is None:
            return None
        state = judge(facts, silence=self._silence)
        if has_gap(facts, state) and not await self._fill_gaps():
            return facts.state  # the next look tries again, because the state still is what it was
        if state != facts.state:
            await self._execute(BECOME, state, self._account_id)
            log.log(
                logging.INFO if state in {"ok", "starting"} else logging.WARNING, "enode webhook: %s", MEANINGS[state]
            )
        if shall_tell(facts, state):
            since = facts.since if state == facts.state else facts.now
            if await self._tell(Alert(state=state, since=since, text=f"EVConduit: {MEANINGS[state]}")):
                await self._execute(ALERTED, state, self._account_id)
        return state

    async def _fill_gaps(self) -> bool:
        try:
            await self._reconcile()
        except EnodeError as error:
            log.warning("after an outage Enode could not be asked for all cars: %s", type(error).__name__)
            return False
        await self._execute(RECONCILED, self._account_id)
        log.info("asked Enode for all cars, to fill what an outage may have cost")
        return True

    async def _facts(self) -> Facts | None:
        async with self._pool.connection() as connection, connection.cursor(row_factory=class_row(Facts)) as cursor:
            await cursor.execute(FACTS, [self._account_id])
            return await cursor.fetchone()

    async def _execute(self, statement: LiteralString, *values: object) -> None:
        async with self._pool.connection() as connection:
            await connection.execute(statement, values)
