"""The parts that every process of the relay has, serving or worker: database, wake-ups, Enode, Supabase, jobs."""

import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from typing import TYPE_CHECKING
from uuid import UUID

from relay.bus.postgres import PostgresListener
from relay.bus.waker import FEED_CHANNEL, INBOX_CHANNEL, POLL_CHANNEL, REVOKED_CHANNEL, PayloadSender, Waker
from relay.gateways.enode import open_enode
from relay.gateways.supabase import open_supabase
from relay.kit.background import BackgroundLoops
from relay.kit.database import Pool, open_pool
from relay.kit.jobs import JobQueue
from relay.kit.outbound import open_outbound_client
from relay.settings import Settings
from relay.startup import run_postgres_restart_loop
from relay.streams.hub import Hub
from relay.usecases.access.verify_supabase_token import make_recent_sign_in_check, make_token_verifier
from relay.usecases.calls.instance_id import fetch_instance_id
from relay.usecases.calls.runtime import Runtime, SupabaseSignIn
from relay.usecases.feed.reader import create_feed_reader

if TYPE_CHECKING:
    from relay.bus.redis import RedisListener

log = logging.getLogger(__name__)

VERSION = version("evconduit-relay")
ENODE_ACCOUNT_ID = "default"
"""Id of the relay's account at Enode. The tables support several accounts, the settings one."""
NO_USER_ID = UUID(int=0)
"""The user id of a wake-up that concerns no particular user."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Process:
    """The parts of one process. No other process depends on their state. `loops` run in every process."""

    settings: Settings
    conninfo: str
    runtime: Runtime
    inbox_waker: Waker
    # Requests an early poll of Enode from the leader, if it polls.
    poll_waker: Waker
    loops: BackgroundLoops


@dataclass(frozen=True, kw_only=True, slots=True)
class _Wakers:
    """One waker for each channel."""

    feed: Waker
    inbox: Waker
    poll: Waker
    revoked: Waker


@asynccontextmanager
async def open_process(settings: Settings, conninfo: str) -> AsyncIterator[Process]:
    """Open a process's parts on a migrated database; they are closed at the end. The caller runs the loops."""
    async with AsyncExitStack() as stack:
        pool = await stack.enter_async_context(open_pool(conninfo, size=settings.pool_size))
        send, create_listener = await _open_bus(settings, stack, conninfo, pool)
        wakers = _Wakers(
            feed=Waker(pool, FEED_CHANNEL, send=send),
            inbox=Waker(pool, INBOX_CHANNEL, send=send),
            poll=Waker(pool, POLL_CHANNEL, send=send),
            revoked=Waker(pool, REVOKED_CHANNEL, send=send),
        )
        all_wakers = [wakers.feed, wakers.inbox, wakers.poll, wakers.revoked]
        loops: BackgroundLoops = {
            "feed wake-ups": wakers.feed.run,
            "inbox wake-ups": wakers.inbox.run,
            "poll wake-ups": wakers.poll.run,
            "revocations": wakers.revoked.run,
            "listener": create_listener(all_wakers).run,
        }
        if settings.database_url is None:
            loops["embedded database"] = partial(run_postgres_restart_loop, settings)
        yield Process(
            settings=settings,
            conninfo=conninfo,
            runtime=await _open_runtime(settings, stack, pool, wakers),
            inbox_waker=wakers.inbox,
            poll_waker=wakers.poll,
            loops=loops,
        )


async def _open_bus(
    settings: Settings, stack: AsyncExitStack, conninfo: str, pool: Pool
) -> tuple[PayloadSender | None, Callable[[Sequence[Waker]], PostgresListener | RedisListener]]:
    """How this process sends and receives wake-ups: through Redis if its URL is set, else through PostgreSQL."""
    if settings.redis_url is None:
        return None, partial(PostgresListener, conninfo, pool)
    from relay.bus import redis  # noqa: PLC0415 - slow to import, and few relays need it

    client = await stack.enter_async_context(redis.open_redis(settings.redis_url.get_secret_value()))
    return redis.create_redis_sender(client), partial(redis.RedisListener, client)


async def _open_runtime(settings: Settings, stack: AsyncExitStack, pool: Pool, wakers: _Wakers) -> Runtime:
    """Open the clients and build the runtime; `stack` closes the clients."""
    enode_config = settings.build_enode_config()
    enode = await stack.enter_async_context(open_enode(enode_config)) if enode_config else None
    sign_in = await _open_supabase_sign_in(settings, stack)
    outbound = await stack.enter_async_context(open_outbound_client(settings.build_outbound_rules()))
    jobs = JobQueue()
    await jobs.open(pool)
    async with pool.connection() as connection:
        instance_id = await fetch_instance_id(connection)
    hub = Hub(create_feed_reader(pool), publish_revoked=wakers.revoked.wake)
    wakers.revoked.add_callback(hub.receive_revoked)
    return Runtime(
        pool=pool,
        hub=hub,
        feed_waker=wakers.feed,
        jobs=jobs,
        enode=enode,
        version=VERSION,
        instance_id=instance_id,
        public_url=settings.base_url,
        has_public_url=settings.public_url is not None or settings.mode == "cloud",
        request_poll=partial(wakers.poll.wake, [NO_USER_ID]),
        link_origins=settings.link_origins,
        outbound=outbound,
        secret_key=settings.load_secret_key(),
        mode=settings.mode,
        login_command=settings.login_command,
        verify_supabase_token=make_token_verifier(sign_in.supabase.token_verifier) if sign_in else None,
        is_recent_supabase_sign_in=make_recent_sign_in_check(sign_in.supabase.token_verifier) if sign_in else None,
        supabase_sign_in=sign_in,
        delete_supabase_user=sign_in.supabase.auth.delete_user if sign_in else None,
        allows_local_redirects=settings.allows_local_redirects,
        plans=settings.plans,
    )


async def _open_supabase_sign_in(settings: Settings, stack: AsyncExitStack) -> SupabaseSignIn | None:
    config = settings.build_supabase_config()
    if config is None:
        return None
    return SupabaseSignIn(
        supabase=await stack.enter_async_context(open_supabase(config)),
        registration=settings.registration,
        requires_approval=settings.approval,
        providers=settings.providers,
    )
