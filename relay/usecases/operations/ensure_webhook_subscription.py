"""Ensure our webhook subscription at Enode: for our URL and all events, with our secret, active and tested."""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import LiteralString

import psycopg
from psycopg.rows import class_row, dict_row

from relay.gateways.enode import ALL_EVENTS, EnodeClient, EnodeError, EnodeNotFound, WebhookSubscription
from relay.kit.clock_skew import cap_reported_column
from relay.kit.database import Pool, fetch_all, fetch_one
from relay.usecases.operations.webhook_secret import compute_secret_digest, is_digest_of

log = logging.getLogger(__name__)

CHECK_INTERVAL = timedelta(minutes=30)
# Enode's sandbox deactivates a webhook after five minutes of failures.
SANDBOX_CHECK_INTERVAL = timedelta(minutes=2)
RETRY_DELAY = timedelta(seconds=10)
TEST_FAILED_HINT = "check that WEBHOOK_URL can be reached from the internet"

FIND_STORED_SUBSCRIPTION: LiteralString = """
select secret_digest, test_succeeded from webhook_subscriptions where enode_webhook_id = %s
"""
LIST_FORMER_SUBSCRIPTIONS: LiteralString = """
select enode_webhook_id from webhook_subscriptions where account_id = %s and url <> %s
"""
DELETE_SUBSCRIPTION: LiteralString = "delete from webhook_subscriptions where enode_webhook_id = %s"
UPSERT_HEALTH: LiteralString = """
insert into enode_health as h (account_id, asked_at, failing_since, error)
values (%(account_id)s, now(), case when %(error)s::text is not null then now() end, %(error)s)
on conflict (account_id) do update set asked_at = now(), error = excluded.error,
    failing_since = case when excluded.error is not null then coalesce(h.failing_since, now()) end
"""

UPSERT_WEBHOOK_SUBSCRIPTION: LiteralString = f"""
insert into webhook_subscriptions as w (account_id, enode_webhook_id, url, events, secret_digest, is_active,
                                        last_success, test_succeeded)
values (%s, %s, %s, %s, %s, %s, %s, %s)
on conflict (enode_webhook_id) do update set url = excluded.url, events = excluded.events,
    secret_digest = excluded.secret_digest, is_active = excluded.is_active,
    last_success = greatest({cap_reported_column("w.last_success")}, {cap_reported_column("excluded.last_success")}),
    test_succeeded = coalesce(excluded.test_succeeded, w.test_succeeded), updated_at = now()
"""  # noqa: S608 - our own constant


@dataclass(frozen=True, kw_only=True, slots=True)
class DesiredWebhookSubscription:
    """The subscription that should exist. `account_id` identifies our account at Enode, `key` is the relay's own."""

    account_id: str
    url: str
    secret: str = field(repr=False)
    key: bytes = field(repr=False)

    @property
    def secret_digest(self) -> bytes:
        """Hash of the secret. Enode never returns a secret, so the stored hash shows which one it was given."""
        return compute_secret_digest(self.key, self.secret)

    def has_secret_of(self, digest: bytes) -> bool:
        """Whether a stored hash is of this secret."""
        return is_digest_of(digest, self.key, self.secret)


@dataclass(frozen=True, kw_only=True, slots=True)
class EnsuredWebhookSubscription:
    """The subscription as it is now. `test_succeeded` is None if it was in order, so that no test was needed."""

    webhook_subscription: WebhookSubscription
    test_succeeded: bool | None = None

    @property
    def is_working(self) -> bool:
        """Whether nothing indicates that Enode can't post to us."""
        return self.test_succeeded is not False and self.webhook_subscription.is_active is not False


async def run_webhook_subscription_loop(
    pool: Pool,
    enode: EnodeClient,
    desired: DesiredWebhookSubscription,
    *,
    check_interval: timedelta,
    on_check: Callable[[], None],
) -> None:
    """Check the subscription until cancelled: every `check_interval`, or sooner while it doesn't work.

    `on_check` is called after each check, whatever its result.
    """
    while True:
        try:
            ensured = await ensure_webhook_subscription(pool, enode, desired)
            delay = check_interval if ensured.is_working else min(check_interval, RETRY_DELAY)
            await _record_health(pool, desired.account_id, None)
        except EnodeError as error:
            delay = min(check_interval, RETRY_DELAY)
            log.warning("webhook subscription check failed error=%r retry_in=%s", str(error), delay)
            with contextlib.suppress(psycopg.Error):
                await _record_health(pool, desired.account_id, type(error).__name__)
        on_check()
        await asyncio.sleep(delay.total_seconds())


async def ensure_webhook_subscription(
    pool: Pool, enode: EnodeClient, desired: DesiredWebhookSubscription
) -> EnsuredWebhookSubscription:
    """Create the subscription if Enode has none for our URL; renew one that is inactive or has another secret.

    One that doesn't cover all events is renewed too. A subscription that was created or renewed, or that failed its
    last test, is tested. Subscriptions that we created for former URLs are deleted, because Enode would keep posting
    there. Raises EnodeError.
    """
    existing = [subscription async for subscription in enode.webhooks.list() if subscription.url == desired.url]
    stored = await _find_stored_webhook_subscription(pool, existing[0].id) if existing else None
    if not existing:
        created = await enode.webhooks.create(url=desired.url, secret=desired.secret)
        ensured = await _test_webhook_subscription(enode, created)
        log.info("webhook subscription created id=%s", created.id)
    elif _needs_renewal(existing[0]) or stored is None or not desired.has_secret_of(stored.secret_digest):
        renewed = await enode.webhooks.update(existing[0].id, secret=desired.secret, events=ALL_EVENTS)
        ensured = await _test_webhook_subscription(enode, renewed)
        log.info("webhook subscription renewed id=%s", renewed.id)
    elif stored.test_succeeded is False:
        ensured = await _test_webhook_subscription(enode, existing[0])
    else:
        ensured = EnsuredWebhookSubscription(webhook_subscription=existing[0])
    await _store_webhook_subscription(pool, desired, ensured)
    await _delete_former_webhook_subscriptions(pool, enode, desired)
    return ensured


def _needs_renewal(webhook_subscription: WebhookSubscription) -> bool:
    return webhook_subscription.is_active is False or set(webhook_subscription.events) != set(ALL_EVENTS)


async def _test_webhook_subscription(
    enode: EnodeClient, webhook_subscription: WebhookSubscription
) -> EnsuredWebhookSubscription:
    """Have Enode post a test event now, so that a wrong URL is reported before the first real event."""
    test = await enode.webhooks.test(webhook_subscription.id)
    if test.succeeded:
        return EnsuredWebhookSubscription(
            webhook_subscription=replace(webhook_subscription, is_active=True), test_succeeded=True
        )
    log.warning(
        "webhook test failed id=%s status=%s hint=%r",
        webhook_subscription.id,
        test.response_status,
        TEST_FAILED_HINT,
    )
    return EnsuredWebhookSubscription(webhook_subscription=webhook_subscription, test_succeeded=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class _StoredWebhookSubscription:
    secret_digest: bytes
    test_succeeded: bool | None


async def _find_stored_webhook_subscription(pool: Pool, enode_webhook_id: str) -> _StoredWebhookSubscription | None:
    async with pool.connection() as connection:
        return await fetch_one(
            connection, FIND_STORED_SUBSCRIPTION, [enode_webhook_id], class_row(_StoredWebhookSubscription)
        )


async def _store_webhook_subscription(
    pool: Pool, desired: DesiredWebhookSubscription, ensured: EnsuredWebhookSubscription
) -> None:
    current = ensured.webhook_subscription
    values = [
        desired.account_id,
        current.id,
        current.url,
        list(current.events),
        desired.secret_digest,
        current.is_active is not False,
        current.last_success,
        ensured.test_succeeded,
    ]
    async with pool.connection() as connection:
        await connection.execute(UPSERT_WEBHOOK_SUBSCRIPTION, values)


async def _record_health(pool: Pool, account_id: str, error: str | None) -> None:
    async with pool.connection() as connection:
        await connection.execute(UPSERT_HEALTH, {"account_id": account_id, "error": error})


async def _delete_former_webhook_subscriptions(
    pool: Pool, enode: EnodeClient, desired: DesiredWebhookSubscription
) -> None:
    async with pool.connection() as connection:
        rows = await fetch_all(connection, LIST_FORMER_SUBSCRIPTIONS, [desired.account_id, desired.url], dict_row)
    for row in rows:
        enode_webhook_id = row["enode_webhook_id"]
        with contextlib.suppress(EnodeNotFound):
            await enode.webhooks.delete(enode_webhook_id)
        async with pool.connection() as connection:
            await connection.execute(DELETE_SUBSCRIPTION, [enode_webhook_id])
        log.info("webhook subscription of former url deleted id=%s", enode_webhook_id)
