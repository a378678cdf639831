"""What every process of the relay has, whether it serves, works, or does both: the database, its hints, Enode."""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from uuid import UUID

from relay.bus.postgres import PostgresListener
from relay.bus.redis import RedisListener, create_redis_sender, open_redis
from relay.bus.waker import FEED_CHANNEL, INBOX_CHANNEL, POLL_CHANNEL, REVOKED_CHANNEL, Waker
from relay.gateways.enode import open_enode
from relay.gateways.supabase import open_supabase
from relay.kit.database import open_pool
from relay.kit.jobs import JobQueue
from relay.kit.outbound import open_outbound_client
from relay.settings import Settings
from relay.startup import run_postgres_restart_loop
from relay.streams.hub import Hub
from relay.usecases.access.verify_supabase_token import make_token_verifier
from relay.usecases.calls.runtime import Runtime, SupabaseSignIn
from relay.usecases.feed.reader import create_feed_reader

log = logging.getLogger(__name__)

VERSION = version("evconduit-relay")
ENODE_ACCOUNT_ID = "default"
"""Our account at Enode: the tables know several, one is configured."""
NO_USER_ID = UUID(int=0)
"""What a hint names that is about no user in particular."""

type BackgroundLoops = dict[str, Callable[[], Awaitable[object]]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Process:
    """One process. `work` is what every process does in the background; nothing in here is needed by another one."""

    settings: Settings
    conninfo: str
    runtime: Runtime
    inbox_waker: Waker
    # Says that somebody wants Enode looked at soon: whoever leads and polls hears it.
    poll_waker: Waker
    loops: BackgroundLoops


@asynccontextmanager
async def open_process(settings: Settings, conninfo: str) -> AsyncIterator[Process]:
    """A process's parts on a migrated database, closed at the end. Nothing runs until its work is started."""
    async with AsyncExitStack() as stack:
        pool = await stack.enter_async_context(open_pool(conninfo, size=settings.pool_size))
        config = settings.build_enode_config()
        enode = await stack.enter_async_context(open_enode(config)) if config else None
        people = await _open_supabase_sign_in(settings, stack)
        outbound = await stack.enter_async_context(open_outbound_client(settings.build_outbound_rules()))
        redis_url = settings.redis_url.get_secret_value() if settings.redis_url else None
        redis = await stack.enter_async_context(open_redis(redis_url)) if redis_url else None
        send = create_redis_sender(redis) if redis else None
        wakers = [
            Waker(pool, channel, send=send) for channel in (FEED_CHANNEL, INBOX_CHANNEL, POLL_CHANNEL, REVOKED_CHANNEL)
        ]
        feed, inbox, look, revoked = wakers
        listener = RedisListener(redis, wakers) if redis else PostgresListener(conninfo, pool, wakers)
        jobs = JobQueue()
        await jobs.open(pool)
        hub = Hub(create_feed_reader(pool), publish_revoked=revoked.wake)
        revoked.add_callback(hub.receive_revoked)
        runtime = Runtime(
            pool=pool,
            hub=hub,
            feed_waker=feed,
            jobs=jobs,
            enode=enode,
            version=VERSION,
            public_url=settings.base_url,
            request_poll=partial(look.wake, [NO_USER_ID]),
            link_origins=settings.link_origins,
            outbound=outbound,
            secret_key=settings.load_secret_key(),
            mode=settings.mode,
            verify_supabase_token=make_token_verifier(people.supabase.token_verifier) if people else None,
            supabase_sign_in=people,
            delete_supabase_user=people.supabase.auth.delete_user if people else None,
            allows_local_redirects=settings.allows_local_redirects,
            plans=settings.plans,
        )
        work: BackgroundLoops = {
            "wake-ups for feeds": feed.run,
            "wake-ups for inboxes": inbox.run,
            "wake-ups for looking": look.run,
            "revocations": revoked.run,
            "listener": listener.run,
            **({"database": partial(run_postgres_restart_loop, settings)} if settings.database_url is None else {}),
        }
        yield Process(
            settings=settings,
            conninfo=conninfo,
            runtime=runtime,
            inbox_waker=inbox,
            poll_waker=look,
            loops=work,
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
