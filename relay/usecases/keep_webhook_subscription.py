"""Our webhook subscription at Enode: there, for our address and all events, with our secret, active, and tested."""

import asyncio
import contextlib
import hashlib
import logging
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import LiteralString

import psycopg

from relay.gateways.enode import ALL_EVENTS, EnodeClient, EnodeError, EnodeNotFound, WebhookSubscription
from relay.kit.database import Pool

log = logging.getLogger(__name__)

LOOK_EVERY = timedelta(minutes=30)
# Enode's sandbox switches a webhook off after five minutes of failures.
LOOK_EVERY_IN_SANDBOX = timedelta(minutes=2)
RETRY_AFTER = timedelta(seconds=10)

ASKED: LiteralString = """
insert into enode_health as h (account_id, asked_at, failing_since, error)
values (%(account_id)s, now(), case when %(error)s::text is not null then now() end, %(error)s)
on conflict (account_id) do update set asked_at = now(), error = excluded.error,
    failing_since = case when excluded.error is not null then coalesce(h.failing_since, now()) end
"""

STORE: LiteralString = """
insert into webhook_subscriptions as w (account_id, enode_webhook_id, url, events, secret_digest, is_active,
                                        last_success, test_succeeded)
values (%s, %s, %s, %s, %s, %s, %s, %s)
on conflict (enode_webhook_id) do update set url = excluded.url, events = excluded.events,
    secret_digest = excluded.secret_digest, is_active = excluded.is_active,
    last_success = greatest(w.last_success, excluded.last_success),
    test_succeeded = coalesce(excluded.test_succeeded, w.test_succeeded), updated_at = now()
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Wanted:
    """The subscription as it shall be. `account_id` names our account at Enode."""

    account_id: str
    url: str
    secret: str = field(repr=False)

    @property
    def digest(self) -> bytes:
        """What is kept of the secret: Enode never tells it, and by this we know whether it was pushed."""
        return hashlib.sha256(self.secret.encode()).digest()


@dataclass(frozen=True, kw_only=True, slots=True)
class Kept:
    """The subscription as it is now; `tested` None: it was as it shall be, so nothing was tried."""

    subscription: WebhookSubscription
    tested: bool | None = None

    @property
    def works(self) -> bool:
        """Whether Enode posts to us, for all that is known."""
        return self.tested is not False and self.subscription.is_active is not False


async def keep_for_ever(
    pool: Pool, enode: EnodeClient, wanted: Wanted, *, look_every: timedelta, on_look: Callable[[], None]
) -> None:
    """Keep the subscription until cancelled; while it cannot be brought in order, try again soon.

    `on_look` is called after each look, whatever it found.
    """
    while True:
        pause = look_every
        try:
            kept = await keep_webhook_subscription(pool, enode, wanted)
            pause = look_every if kept.works else min(look_every, RETRY_AFTER)
            await _note(pool, wanted.account_id, None)
        except EnodeError as error:
            log.warning("the webhook subscription could not be looked after: %s", error)
            pause = min(look_every, RETRY_AFTER)
            with contextlib.suppress(psycopg.Error):
                await _note(pool, wanted.account_id, type(error).__name__)
        on_look()
        await asyncio.sleep(pause.total_seconds())


async def keep_webhook_subscription(pool: Pool, enode: EnodeClient, wanted: Wanted) -> Kept:
    """Create the subscription if Enode has none for our address; renew one that is inactive or has another secret.

    Other events than all are a reason to renew it, too. What was made, renewed, or failed its last test is tested.

    Those that we made for other addresses are ended: Enode would go on posting to where nobody is. Raises EnodeError.
    """
    ours = [it async for it in enode.webhooks.list() if it.url == wanted.url]
    known = await _known(pool, ours[0].id) if ours else None
    if not ours:
        kept = await _tested(enode, await enode.webhooks.create(url=wanted.url, secret=wanted.secret))
        log.info("webhook subscription created at Enode")
    elif _is_amiss(ours[0]) or known is None or known.digest != wanted.digest:
        renewed = await enode.webhooks.update(ours[0].id, secret=wanted.secret, events=ALL_EVENTS)
        kept = await _tested(enode, renewed)
        log.info("webhook subscription renewed at Enode")
    elif known.test_succeeded is False:
        kept = await _tested(enode, ours[0])
    else:
        kept = Kept(subscription=ours[0])
    await _store(pool, wanted, kept)
    await _end_former(pool, enode, wanted)
    return kept


def _is_amiss(subscription: WebhookSubscription) -> bool:
    return subscription.is_active is False or set(subscription.events) != set(ALL_EVENTS)


async def _tested(enode: EnodeClient, subscription: WebhookSubscription) -> Kept:
    """Have Enode post to us now: whoever is told at the first event that nothing arrives is told late."""
    test = await enode.webhooks.test(subscription.id)
    if test.succeeded:
        return Kept(subscription=replace(subscription, is_active=True), tested=True)
    status = "no answer" if test.response_status is None else f"status {test.response_status}"
    log.warning("Enode's test delivery did not arrive (%s): can WEBHOOK_URL be reached from outside?", status)
    return Kept(subscription=subscription, tested=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Known:
    digest: bytes
    test_succeeded: bool | None


async def _known(pool: Pool, enode_webhook_id: str) -> _Known | None:
    async with pool.connection() as connection:
        cursor = await connection.execute(
            "select secret_digest, test_succeeded from webhook_subscriptions where enode_webhook_id = %s",
            [enode_webhook_id],
        )
        row = await cursor.fetchone()
    if row is None or not isinstance(row[0], bytes):
        return None
    return _Known(digest=row[0], test_succeeded=None if row[1] is None else bool(row[1]))


async def _store(pool: Pool, wanted: Wanted, kept: Kept) -> None:
    it = kept.subscription
    row = [wanted.account_id, it.id, it.url, list(it.events), wanted.digest, it.is_active is not False]
    async with pool.connection() as connection:
        await connection.execute(STORE, [*row, it.last_success, kept.tested])


async def _note(pool: Pool, account_id: str, error: str | None) -> None:
    async with pool.connection() as connection:
        await connection.execute(ASKED, {"account_id": account_id, "error": error})


async def _end_former(pool: Pool, enode: EnodeClient, wanted: Wanted) -> None:
    async with pool.connection() as connection:
        cursor = await connection.execute(
            "select enode_webhook_id from webhook_subscriptions where account_id = %s and url <> %s",
            [wanted.account_id, wanted.url],
        )
        former = [str(row[0]) for row in await cursor.fetchall()]
    for enode_webhook_id in former:
        with contextlib.suppress(EnodeNotFound):
            await enode.webhooks.delete(enode_webhook_id)
        async with pool.connection() as connection:
            await connection.execute(
                "delete from webhook_subscriptions where enode_webhook_id = %s", [enode_webhook_id]
            )
        log.info("webhook subscription for a former address ended at Enode")
