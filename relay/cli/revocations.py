"""Notify running relay processes that a command has revoked credentials."""

from collections.abc import Collection
from contextlib import AsyncExitStack
from uuid import UUID

from relay.bus.redis import create_redis_sender, open_redis
from relay.bus.waker import REVOKED_CHANNEL, NotSentError, Waker
from relay.cli.shared import print_note
from relay.kit.database import open_pool
from relay.kit.errors import OperatorError
from relay.settings import Settings


async def publish_revoked(settings: Settings, conninfo: str, revoked: Collection[UUID]) -> None:
    """Have running relay processes end the streams of these credentials and users, over the bus that they listen on.

    The revocation is committed, so the command succeeds even when they can't be notified.
    """
    try:
        await _send_revoked(settings, conninfo, revoked)
    except (NotSentError, OperatorError) as error:
        _print_not_notified(str(error))
    except ValueError:  # not with its text, which can quote the password in the URL
        _print_not_notified("REDIS_URL is malformed")


async def _send_revoked(settings: Settings, conninfo: str, revoked: Collection[UUID]) -> None:
    """Raises NotSentError, OperatorError without a database connection, and ValueError for a malformed REDIS_URL."""
    async with AsyncExitStack() as stack:
        pool = await stack.enter_async_context(open_pool(conninfo, size=1))
        redis_url = settings.redis_url.get_secret_value() if settings.redis_url else None
        redis = await stack.enter_async_context(open_redis(redis_url)) if redis_url else None
        waker = Waker(pool, REVOKED_CHANNEL, send=create_redis_sender(redis) if redis else None)
        waker.wake(revoked)
        await waker.flush()


def _print_not_notified(cause: str) -> None:
    print_note(f"Running relays could not be notified ({cause}). Open streams end within 25 seconds.")
