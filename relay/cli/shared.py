"""Shared by the commands: access to the relay's database, the --user option, and notes on standard error."""

import asyncio
import sys
from collections.abc import Awaitable, Callable, Collection
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Annotated
from uuid import UUID

import typer

from relay.bus.redis import create_redis_sender, open_redis
from relay.bus.waker import REVOKED_CHANNEL, NotSentError, Waker
from relay.kit.database import Connection, connect_as_relay, open_pool
from relay.kit.errors import OperatorError
from relay.kit.problems import Problem
from relay.settings import Settings, load_settings
from relay.startup import prepare_database
from relay.streams.hub import CloseStreams
from relay.usecases.admin.manage_users import find_users

# Not a `type` alias: typer doesn't resolve those.
UserOption = Annotated[str, typer.Option("--user", help="Email address or ID of the account.")]


@dataclass(frozen=True, kw_only=True, slots=True)
class RelayAccess:
    """What a command works with. The connection has the relay's rights and commits each statement."""

    settings: Settings
    connection: Connection
    # Ids are collected and published to all running relay processes when the command's coroutine has ended.
    close_streams: CloseStreams

    async def get_user_id(self, email_or_id: str) -> UUID:
        """The id of the open account that `--user` names. Raises OperatorError unless it is exactly one."""
        user_ids = await find_users(self.connection, email_or_id)
        if not user_ids:
            raise OperatorError(f"no account {email_or_id!r}: create one with `evconduit user add`")
        if len(user_ids) > 1:
            ids = ", ".join(map(str, user_ids))
            raise OperatorError(f"several accounts have {email_or_id!r}: give one of their ids ({ids})")
        return user_ids[0]


type Story[Result] = Callable[[RelayAccess], Awaitable[Result]]
"""The part of a command that needs the database, as a coroutine function."""


def run_story[Result](story: Story[Result], settings: Settings | None = None, *, with_timeouts: bool = False) -> Result:
    """Open the database and run one coroutine on it. A Problem that it raises becomes one line for the operator.

    By default its statements may run, and wait for a lock, for as long as they need: a replay reads the whole inbox.
    With timeouts they have those of a running relay.
    """
    settings = settings or load_settings()
    with prepare_database(settings) as conninfo:
        return asyncio.run(_run_story(story, settings, conninfo, with_timeouts=with_timeouts))


async def _run_story[Result](story: Story[Result], settings: Settings, conninfo: str, *, with_timeouts: bool) -> Result:
    revoked: set[UUID] = set()
    async with connect_as_relay(conninfo, with_timeouts=with_timeouts) as connection:
        try:
            result = await story(RelayAccess(settings=settings, connection=connection, close_streams=revoked.add))
        except Problem as problem:
            raise OperatorError(problem.detail) from None
    if revoked:
        await _publish_revoked(settings, conninfo, revoked)
    return result


async def _publish_revoked(settings: Settings, conninfo: str, revoked: Collection[UUID]) -> None:
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


def print_note(text: str) -> None:
    """Print to standard error, so that standard output holds only what a script reads."""
    print(text, file=sys.stderr, flush=True)
