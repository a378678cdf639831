"""The composition root of what serves: settings in, a running relay out."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from fastapi import FastAPI
from prometheus_client import CollectorRegistry

from relay import health
from relay.inbox.failures import SignatureFailures
from relay.inbox.routes import ENODE_POSTS_TO
from relay.inbox.routes import router as inbox_router
from relay.inbox.service import Inbox
from relay.kit import problems
from relay.kit.ingress import Ingress
from relay.kit.request_metrics import RequestMetrics
from relay.kit.supervise import background
from relay.kit.web import BodyLimit, Mark
from relay.metrics import metrics_router
from relay.pages import site
from relay.process import ACCOUNT, VERSION, Process, Work, open_process
from relay.settings import Settings
from relay.usecases import (
    answer_classic,
    answer_classic_sessions,
    answer_classic_webhook,
    answer_home_assistant,
    answer_oauth_client,
    answer_sessions,
    choose_language,
    command_charging,
    command_classic,
    delete_account,
    export_account,
    follow_commands,
    follow_link,
    link_vehicle,
    pick_vehicles,
    refresh_classic,
    refresh_vehicle,
    register_endpoint,
    relink_vehicle,
    set_electricity_rate,
    set_home,
    stream_to_home_assistant,
    tell_usage,
    try_classic_webhook,
    unlink_vehicles,
)
from relay.worker import worker_work

log = logging.getLogger(__name__)

MARK = {"X-EVConduit-Relay": VERSION}
BODY_LIMIT = 64 * 1024


def create_app(settings: Settings, conninfo: str, *, work: bool = True) -> FastAPI:
    """The relay as an ASGI app on a migrated database. Its background work runs as long as its lifespan does.

    Without `work` it only serves, and leaves the queues to workers elsewhere.
    """
    app = FastAPI(
        title="EVConduit relay",
        version=VERSION,
        description="Any electric car that Enode reaches, live inside Home Assistant.",
        docs_url=None,  # ours is a page, see relay/pages/reference.py
        redoc_url=None,
        openapi_url="/api/openapi.json",
        responses=problems.DOCUMENTED,
        lifespan=partial(_lifespan, settings=settings, conninfo=conninfo, work=work),
    )
    app.add_middleware(BodyLimit, limit=BODY_LIMIT, own_limit=lambda path: path == ENODE_POSTS_TO)
    app.add_middleware(Mark, headers=MARK)
    if settings.ingress_port is not None:
        app.add_middleware(Ingress, port=settings.ingress_port)
    problems.install(app, headers=MARK, as_page=site.as_page)
    if settings.internal_api_key is not None:
        registry = CollectorRegistry()
        app.add_middleware(RequestMetrics, registry=registry)
        app.include_router(metrics_router(settings.internal_api_key.get_secret_value(), registry))
    # They are searched in this order: what is asked most comes first.
    for router in (
        inbox_router,
        answer_classic.router,
        health.router,
        answer_home_assistant.router,
        choose_language.router,
        stream_to_home_assistant.router,
        command_charging.router,
        register_endpoint.router,
        follow_commands.router,
        refresh_vehicle.router,
        relink_vehicle.router,
        command_classic.router,
        answer_classic_webhook.router,
        try_classic_webhook.router,
        refresh_classic.router,
        answer_sessions.router,
        answer_classic_sessions.router,
        set_electricity_rate.router,
        set_home.router,
        export_account.router,
        delete_account.router,
        link_vehicle.router,
        follow_link.router,
        unlink_vehicles.router,
        pick_vehicles.router,
        tell_usage.router,
        answer_oauth_client.router,
    ):
        app.include_router(router)
    site.install(app)
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI, *, settings: Settings, conninfo: str, work: bool) -> AsyncIterator[None]:
    async with open_process(settings, conninfo) as process:
        app.state.runtime = process.runtime
        forged = SignatureFailures(process.runtime.pool)
        app.state.inbox = Inbox(
            process.runtime.pool,
            account_id=ACCOUNT,
            secrets=settings.webhook_secrets,
            wake=process.inbox_waker.wake,
            on_forged=forged.add,
        )
        all_work = {**process.work, **web_work(process), **(worker_work(process) if work else {})}
        all_work["forged deliveries"] = forged.run
        async with background(all_work):
            log.info("relay %s is ready%s", VERSION, "" if work else ", without a worker")
            yield


def web_work(process: Process) -> Work:
    """The work of a process that serves beside what every process does."""
    process.runtime.feed_waker.subscribe(process.runtime.hub.wake)
    return {"streams": process.runtime.hub.run}
