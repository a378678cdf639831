"""What every process of the relay has, whether it serves, works, or does both: the database, its hints, Enode."""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from uuid import UUID

from relay.delivery.hub import Hub
from relay.delivery.listen import Listener
from relay.delivery.redis_hints import RedisListener, open_redis, publish
from relay.delivery.wake import FEED, INBOX, LOOK, REVOKED, Waker
from relay.gateways.enode import open_enode
from relay.gateways.supabase import open_supabase
from relay.kit.database import open_pool
from relay.kit.jobs import Jobs
from relay.kit.outbound import open_outbound
from relay.settings import Settings
from relay.startup import keep_postgres
from relay.usecases.read_feed import feed_reader
from relay.usecases.runtime import People, Runtime
from relay.usecases.verify_person import person_verifier

log = logging.getLogger(__name__)

VERSION = version("evconduit-relay")
ACCOUNT = "default"
"""Our account at Enode: the tables know several, one is configured."""
ANYBODY = UUID(int=0)
"""What a hint names that is about no user in particular."""

type Work = dict[str, Callable[[], Awaitable[object]]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Process:
    """One process. `work` is what every process does in the background; nothing in here is needed by another one."""

    settings: Settings
    conninfo: str
    runtime: Runtime
    inbox_waker: Waker
    # Says that somebody wants Enode looked at soon: whoever leads and polls hears it.
    look_waker: Waker
    work: Work


@asynccontextmanager
async def open_process(settings: Settings, conninfo: str) -> AsyncIterator[Process]:
    """A process's parts on a migrated database, closed at the end. Nothing runs until its work is started."""
    async with AsyncExitStack() as stack:
        pool = await stack.enter_async_context(open_pool(conninfo, size=settings.pool_size))
        config = settings.enode_config()
        enode = await stack.enter_async_context(open_enode(config)) if config else None
        people = await _people(settings, stack)
        outbound = await stack.enter_async_context(open_outbound(settings.outbound_rules()))
        redis_url = settings.redis_url.get_secret_value() if settings.redis_url else None
        redis = await stack.enter_async_context(open_redis(redis_url)) if redis_url else None
        send = publish(redis) if redis else None
        wakers = [Waker(pool, channel, send=send) for channel in (FEED, INBOX, LOOK, REVOKED)]
        feed, inbox, look, revoked = wakers
        listener = RedisListener(redis, wakers) if redis else Listener(conninfo, pool, wakers)
        jobs = Jobs()
        await jobs.open(pool)
        hub = Hub(feed_reader(pool), announce=revoked.wake)
        revoked.subscribe(hub.hear_revoked)
        runtime = Runtime(
            pool=pool,
            hub=hub,
            feed_waker=feed,
            jobs=jobs,
            enode=enode,
            version=VERSION,
            public_url=settings.base_url,
            look_soon=partial(look.wake, [ANYBODY]),
            vehicle_limits=settings.vehicle_limits,
            link_origins=settings.link_origins,
            outbound=outbound,
            key=settings.key(),
            mode=settings.mode,
            verify_person=person_verifier(people.supabase.tokens) if people else None,
            people=people,
            delete_person=people.supabase.auth.delete_user if people else None,
            local_redirects=settings.allows_local_redirects,
            plans=settings.plans,
        )
        work: Work = {
            "wake-ups for feeds": feed.run,
            "wake-ups for inboxes": inbox.run,
            "wake-ups for looking": look.run,
            "revocations": revoked.run,
            "listener": listener.run,
            **({"database": partial(keep_postgres, settings)} if settings.database_url is None else {}),
        }
        yield Process(
            settings=settings,
            conninfo=conninfo,
            runtime=runtime,
            inbox_waker=inbox,
            look_waker=look,
            work=work,
        )


async def _people(settings: Settings, stack: AsyncExitStack) -> People | None:
    config = settings.supabase_config()
    if config is None:
        return None
    return People(
        supabase=await stack.enter_async_context(open_supabase(config)),
        registration=settings.registration,
        approval=settings.approval,
        providers=settings.providers,
    )
