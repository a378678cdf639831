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

CHECK_INTERVAL = timedelta(minutes=30)
# Enode's sandbox switches a webhook off after five minutes of failures.
SANDBOX_CHECK_INTERVAL = timedelta(minutes=2)
RETRY_DELAY = timedelta(seconds=10)

UPSERT_HEALTH: LiteralString = """
insert into enode_health as h (account_id, asked_at, failing_since, error)
values (%(account_id)s, now(), case when %(error)s::text is not null then now() end, %(error)s)
on conflict (account_id) do update set asked_at = now(), error = excluded.error,
    failing_since = case when excluded.error is not null then coalesce(h.failing_since, now()) end
"""

UPSERT_WEBHOOK_SUBSCRIPTION: LiteralString = """
insert into webhook_subscriptions as w (account_id, enode_webhook_id, url, events, secret_digest, is_active,
                                        last_success, test_succeeded)
values (%s, %s, %s, %s, %s, %s, %s, %s)
on conflict (enode_webhook_id) do update set url = excluded.url, events = excluded.events,
    secret_digest = excluded.secret_digest, is_active = excluded.is_active,
    last_success = greatest(w.last_success, excluded.last_success),
    test_succeeded = coalesce(excluded.test_succeeded, w.test_succeeded), updated_at = now()
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class DesiredWebhookSubscription:
    """The subscription as it shall be. `account_id` names our account at Enode."""

    account_id: str
    url: str
    secret: str = field(repr=False)

    @property
    def secret_digest(self) -> bytes:
        """What is kept of the secret: Enode never tells it, and by this we know whether it was pushed."""
        return hashlib.sha256(self.secret.encode()).digest()


@dataclass(frozen=True, kw_only=True, slots=True)
class EnsuredWebhookSubscription:
    """The subscription as it is now; `tested` None: it was as it shall be, so nothing was tried."""

    webhook_subscription: WebhookSubscription
    test_succeeded: bool | None = None

    @property
    def is_working(self) -> bool:
        """Whether Enode posts to us, for all that is known."""
        return self.test_succeeded is not False and self.webhook_subscription.is_active is not False


async def run_webhook_subscription_loop(
    pool: Pool,
    enode: EnodeClient,
    desired: DesiredWebhookSubscription,
    *,
    check_interval: timedelta,
    on_check: Callable[[], None],
) -> None:
    """Keep the subscription until cancelled; while it cannot be brought in order, try again soon.

    `on_look` is called after each look, whatever it found.
    """
    while True:
        pause = check_interval
        try:
            kept = await ensure_webhook_subscription(pool, enode, desired)
            pause = check_interval if kept.is_working else min(check_interval, RETRY_DELAY)
            await _record_health(pool, desired.account_id, None)
        except EnodeError as error:
            log.warning("the webhook subscription could not be looked after: %s", error)
            pause = min(check_interval, RETRY_DELAY)
            with contextlib.suppress(psycopg.Error):
                await _record_health(pool, desired.account_id, type(error).__name__)
        on_check()
        await asyncio.sleep(pause.total_seconds())


async def ensure_webhook_subscription(
    pool: Pool, enode: EnodeClient, desired: DesiredWebhookSubscription
) -> EnsuredWebhookSubscription:
    """Create the subscription if Enode has none for our address; renew one that is inactive or has another secret.

    Other events than all are a reason to renew it, too. What was made, renewed, or failed its last test is tested.

    Those that we made for other addresses are ended: Enode would go on posting to where nobody is. Raises EnodeError.
    """
    ours = [it async for it in enode.webhooks.list() if it.url == desired.url]
    known = await _find_stored_webhook_subscription(pool, ours[0].id) if ours else None
    if not ours:
        kept = await _test_webhook_subscription(
            enode, await enode.webhooks.create(url=desired.url, secret=desired.secret)
        )
        log.info("webhook subscription created at Enode")
    elif _needs_renewal(ours[0]) or known is None or known.secret_digest != desired.secret_digest:
        renewed = await enode.webhooks.update(ours[0].id, secret=desired.secret, events=ALL_EVENTS)
        kept = await _test_webhook_subscription(enode, renewed)
        log.info("webhook subscription renewed at Enode")
    elif known.test_succeeded is False:
        kept = await _test_webhook_subscription(enode, ours[0])
    else:
        kept = EnsuredWebhookSubscription(webhook_subscription=ours[0])
    await _store_webhook_subscription(pool, desired, kept)
    await _delete_former_webhook_subscriptions(pool, enode, desired)
    return kept


def _needs_renewal(webhook_subscription: WebhookSubscription) -> bool:
    return webhook_subscription.is_active is False or set(webhook_subscription.events) != set(ALL_EVENTS)


async def _test_webhook_subscription(
    enode: EnodeClient, webhook_subscription: WebhookSubscription
) -> EnsuredWebhookSubscription:
    """Have Enode post to us now: whoever is told at the first event that nothing arrives is told late."""
    test = await enode.webhooks.test(webhook_subscription.id)
    if test.succeeded:
        return EnsuredWebhookSubscription(
            webhook_subscription=replace(webhook_subscription, is_active=True), test_succeeded=True
        )
    status = "no answer" if test.response_status is None else f"status {test.response_status}"
    log.warning("Enode's test delivery did not arrive (%s): can WEBHOOK_URL be reached from outside?", status)
    return EnsuredWebhookSubscription(webhook_subscription=webhook_subscription, test_succeeded=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class _StoredWebhookSubscription:
    secret_digest: bytes
    test_succeeded: bool | None


async def _find_stored_webhook_subscription(pool: Pool, enode_webhook_id: str) -> _StoredWebhookSubscription | None:
    async with pool.connection() as connection:
        cursor = await connection.execute(
            "select secret_digest, test_succeeded from webhook_subscriptions where enode_webhook_id = %s",
            [enode_webhook_id],
        )
        row = await cursor.fetchone()
    if row is None or not isinstance(row[0], bytes):
        return None
    return _StoredWebhookSubscription(secret_digest=row[0], test_succeeded=None if row[1] is None else bool(row[1]))


async def _store_webhook_subscription(
    pool: Pool, desired: DesiredWebhookSubscription, ensured: EnsuredWebhookSubscription
) -> None:
    it = ensured.webhook_subscription
    row = [desired.account_id, it.id, it.url, list(it.events), desired.secret_digest, it.is_active is not False]
    async with pool.connection() as connection:
        await connection.execute(UPSERT_WEBHOOK_SUBSCRIPTION, [*row, it.last_success, ensured.test_succeeded])


async def _record_health(pool: Pool, account_id: str, error: str | None) -> None:
    async with pool.connection() as connection:
        await connection.execute(UPSERT_HEALTH, {"account_id": account_id, "error": error})


async def _delete_former_webhook_subscriptions(
    pool: Pool, enode: EnodeClient, desired: DesiredWebhookSubscription
) -> None:
    async with pool.connection() as connection:
        cursor = await connection.execute(
            "select enode_webhook_id from webhook_subscriptions where account_id = %s and url <> %s",
            [desired.account_id, desired.url],
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
