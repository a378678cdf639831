"""Our webhook subscription at Enode: there, for our address, with the secret we verify with, and active."""

import asyncio
import contextlib
import hashlib
import logging
from datetime import timedelta

from relay.gateways.enode import ALL_EVENTS, EnodeClient, EnodeError, EnodeNotFound, WebhookSubscription
from relay.kit.database import Pool

log = logging.getLogger(__name__)

LOOK_EVERY = timedelta(minutes=30)
RETRY_AFTER = timedelta(seconds=10)


async def keep_for_ever(pool: Pool, enode: EnodeClient, *, account_id: str, url: str, secret: str) -> None:
    """Keep the subscription until cancelled; while Enode cannot be asked, try again soon."""
    while True:
        try:
            await keep_webhook_subscription(pool, enode, account_id=account_id, url=url, secret=secret)
            pause = LOOK_EVERY
        except EnodeError as error:
            log.warning("the webhook subscription could not be looked after: %s", error)
            pause = RETRY_AFTER
        await asyncio.sleep(pause.total_seconds())


async def keep_webhook_subscription(
    pool: Pool, enode: EnodeClient, *, account_id: str, url: str, secret: str
) -> WebhookSubscription:
    """Create the subscription if Enode has none for `url`, renew it if it is inactive or has another secret.

    Those that we made for other addresses are ended: Enode would go on posting to where nobody is.

    Enode never tells the secret, so a digest of what was last pushed is kept. Raises EnodeError.
    """
    digest = hashlib.sha256(secret.encode()).digest()
    ours = [it async for it in enode.webhooks.list() if it.url == url]
    if not ours:
        kept = await enode.webhooks.create(url=url, secret=secret)
        log.info("webhook subscription created at Enode")
    elif ours[0].is_active is False or await _pushed_digest(pool, ours[0].id) != digest:
        kept = await enode.webhooks.update(ours[0].id, secret=secret, events=ALL_EVENTS)
        log.info("webhook subscription renewed at Enode")
    else:
        kept = ours[0]
    await _store(pool, account_id, kept, digest)
    await _end_former(pool, enode, account_id, url)
    return kept


async def _pushed_digest(pool: Pool, enode_webhook_id: str) -> bytes | None:
    async with pool.connection() as connection:
        cursor = await connection.execute(
            "select secret_digest from webhook_subscriptions where enode_webhook_id = %s", [enode_webhook_id]
        )
        row = await cursor.fetchone()
    return row[0] if row and isinstance(row[0], bytes) else None


async def _store(pool: Pool, account_id: str, kept: WebhookSubscription, digest: bytes) -> None:
    async with pool.connection() as connection:
        await connection.execute(
            """
            insert into webhook_subscriptions (account_id, enode_webhook_id, url, events, secret_digest, is_active)
            values (%s, %s, %s, %s, %s, %s)
            on conflict (enode_webhook_id) do update set url = excluded.url, events = excluded.events,
                secret_digest = excluded.secret_digest, is_active = excluded.is_active, updated_at = now()
            """,
            [account_id, kept.id, kept.url, list(kept.events), digest, kept.is_active is not False],
        )


async def _end_former(pool: Pool, enode: EnodeClient, account_id: str, url: str) -> None:
    async with pool.connection() as connection:
        cursor = await connection.execute(
            "select enode_webhook_id from webhook_subscriptions where account_id = %s and url <> %s", [account_id, url]
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
