"""The composition root: settings in, a running relay out."""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from importlib.metadata import version
from uuid import UUID

from fastapi import FastAPI

from relay import health
from relay.delivery.hub import Hub
from relay.delivery.listen import Listener
from relay.delivery.wake import FEED, INBOX, Waker
from relay.gateways.enode import open_enode
from relay.inbox.routes import router as inbox_router
from relay.inbox.service import Inbox
from relay.kit import problems
from relay.kit.database import open_pool
from relay.kit.jobs import Jobs
from relay.kit.supervise import background
from relay.kit.web import BodyLimit, Mark
from relay.pages import public
from relay.settings import Settings
from relay.startup import keep_postgres
from relay.usecases import (
    answer_classic,
    answer_home_assistant,
    choose_language,
    command_charging,
    follow_commands,
    refresh_vehicle,
    relink_vehicle,
    stream_to_home_assistant,
)
from relay.usecases.check_command import check_command
from relay.usecases.command_charging import CHECK
from relay.usecases.drain_inbox import Drain
from relay.usecases.fetch_interventions import fetch_for_ever
from relay.usecases.keep_webhook_subscription import keep_for_ever
from relay.usecases.poll_enode import Poller
from relay.usecases.read_feed import feed_reader
from relay.usecases.runtime import Runtime

log = logging.getLogger(__name__)

VERSION = version("evconduit-relay")
MARK = {"X-EVConduit-Relay": VERSION}
ACCOUNT = "default"
BODY_LIMIT = 64 * 1024
ENODE_POSTS_TO = "/api/webhook/enode"

type Work = dict[str, Callable[[], Awaitable[object]]]


def create_app(settings: Settings, conninfo: str) -> FastAPI:
    """The relay as an ASGI app on a migrated database. Its background work runs as long as its lifespan does."""
    app = FastAPI(
        title="EVConduit relay",
        version=VERSION,
        description="Any electric car that Enode reaches, live inside Home Assistant.",
        docs_url="/api/docs",
        redoc_url=None,
        openapi_url="/api/openapi.json",
        lifespan=partial(_lifespan, settings=settings, conninfo=conninfo),
    )
    app.add_middleware(BodyLimit, limit=BODY_LIMIT, own_limit=lambda path: path == ENODE_POSTS_TO)
    app.add_middleware(Mark, headers=MARK)
    problems.install(app, headers=MARK)
    for router in (
        health.router,
        answer_home_assistant.router,
        choose_language.router,
        stream_to_home_assistant.router,
        command_charging.router,
        follow_commands.router,
        refresh_vehicle.router,
        relink_vehicle.router,
        answer_classic.router,
        inbox_router,
    ):
        app.include_router(router)
    public.install(app)
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI, *, settings: Settings, conninfo: str) -> AsyncIterator[None]:
    async with AsyncExitStack() as stack:
        pool = await stack.enter_async_context(open_pool(conninfo, size=settings.pool_size))
        config = settings.enode_config()
        enode = await stack.enter_async_context(open_enode(config)) if config else None
        feed, inbox = Waker(pool, FEED), Waker(pool, INBOX)
        hub = Hub(feed_reader(pool))
        feed.subscribe(hub.wake)
        polls = enode is not None and settings.webhook_url is None
        poller = Poller(pool, enode, account_id=ACCOUNT, wake=inbox.wake) if enode and polls else None
        runtime = Runtime(
            pool=pool,
            hub=hub,
            feed_waker=feed,
            jobs=Jobs(),
            enode=enode,
            version=VERSION,
            public_url=settings.base_url,
            look_soon=poller.nudge if poller else lambda: None,
        )
        app.state.runtime = runtime
        app.state.inbox = Inbox(pool, account_id=ACCOUNT, secrets=settings.webhook_secrets, wake=inbox.wake)
        work: Work = {
            "wake-ups for feeds": feed.run,
            "wake-ups for inboxes": inbox.run,
            "listener": Listener(conninfo, pool, (feed, inbox)).run,
            "streams": hub.run,
            **await _worker(runtime, settings, inbox),
            **({"polling": poller.run} if poller else {}),
            **({"database": partial(keep_postgres, settings)} if settings.database_url is None else {}),
        }
        await stack.enter_async_context(background(work))
        log.info("relay %s is ready", VERSION)
        yield


async def _worker(runtime: Runtime, settings: Settings, inbox: Waker) -> Work:
    """What acts on the database's queues: the drain, timers, and the keeper of Enode's subscription."""
    drain = Drain(runtime.pool, wake=runtime.feed_waker.wake, vin_key=settings.key())
    inbox.subscribe(drain.hint)

    async def check(command_id: str, number: int) -> None:
        await check_command(runtime, UUID(command_id), number)

    runtime.jobs.add(CHECK, check)
    await runtime.jobs.open(runtime.pool)
    work: Work = {"drain": drain.run, "timers": runtime.jobs.run}
    if runtime.enode is not None:
        work["interventions"] = partial(fetch_for_ever, runtime)
    if runtime.enode is not None and settings.webhook_url is not None and settings.enode_webhook_secret is not None:
        work["webhook subscription"] = partial(
            keep_for_ever,
            runtime.pool,
            runtime.enode,
            account_id=ACCOUNT,
            url=str(settings.webhook_url),
            secret=settings.enode_webhook_secret.get_secret_value(),
        )
    return work
