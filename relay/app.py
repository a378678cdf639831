"""Composition root of the serving process: builds the ASGI app from the settings."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, cast

from fastapi import FastAPI
from fastapi.routing import APIRoute
from prometheus_client import CollectorRegistry

from relay import health
from relay.inbox.routes import ENODE_WEBHOOK_PATH
from relay.inbox.routes import router as inbox_router
from relay.inbox.service import Inbox
from relay.inbox.signature_failure_counter import SignatureFailureCounter
from relay.kit import problem_responses
from relay.kit.background import BackgroundLoops, run_in_background
from relay.kit.ingress import IngressMiddleware
from relay.kit.middleware import BodyLimitMiddleware, ResponseHeadersMiddleware
from relay.kit.public_host import PublicHostMiddleware, SlashRedirect, parse_trusted_hosts
from relay.kit.public_path import PublicPathMiddleware
from relay.kit.request_metrics import RequestMetricsMiddleware
from relay.metrics_routes import create_metrics_router
from relay.openapi.document import get_openapi_document
from relay.pages import site
from relay.pages.rendering import build_default_headers
from relay.process import ENODE_ACCOUNT_ID, VERSION, Process, open_process
from relay.settings import Settings
from relay.usecases.account import delete_account, export_account, set_language, usage_report
from relay.usecases.charging import (
    correct_session,
    list_energy_hours,
    list_sessions,
    set_electricity_rate,
    set_home,
)
from relay.usecases.classic import (
    account_and_vehicles,
    charging_commands,
    charging_sessions,
    refresh_vehicles,
    send_test_webhook,
    webhook_routes,
)
from relay.usecases.commands import command_routes
from relay.usecases.endpoints import register_endpoint
from relay.usecases.feed import account_and_vehicles as feed_account_and_vehicles
from relay.usecases.feed import stream_events
from relay.usecases.linking import link_vehicle, poll_link_result, relink_vehicle, unlink_vehicles
from relay.usecases.oauth import client_routes
from relay.usecases.operations.webhook_secret import list_accepted_secrets
from relay.usecases.smart_charging import smart_charging_routes
from relay.usecases.vehicles import identify_vehicle, refresh_vehicle, select_served_vehicles
from relay.worker import build_worker_loops

if TYPE_CHECKING:
    from relay.kit.announcement import Announcer

log = logging.getLogger(__name__)

RELAY_HEADERS = {"X-EVConduit-Relay": VERSION}
MAX_BODY_BYTES = 64 * 1024

# Requests are matched in this order, so the busiest routes come first.
ROUTERS = (
    inbox_router,
    account_and_vehicles.router,
    health.router,
    feed_account_and_vehicles.router,
    set_language.router,
    stream_events.router,
    command_routes.router,
    smart_charging_routes.router,
    register_endpoint.router,
    identify_vehicle.router,
    refresh_vehicle.router,
    relink_vehicle.router,
    charging_commands.router,
    webhook_routes.router,
    send_test_webhook.router,
    refresh_vehicles.router,
    list_sessions.router,
    list_energy_hours.router,
    correct_session.router,
    charging_sessions.router,
    set_electricity_rate.router,
    set_home.router,
    export_account.router,
    delete_account.router,
    link_vehicle.router,
    poll_link_result.router,
    unlink_vehicles.router,
    select_served_vehicles.router,
    usage_report.router,
    client_routes.router,
)

# The routes themselves, not routers that are included: FastAPI would match a request to each of those twice.
API_ROUTES = [cast("APIRoute", route) for router in ROUTERS for route in router.routes]
for _route in API_ROUTES:
    _route.responses = problem_responses.OPENAPI_RESPONSES | _route.responses


def create_app(settings: Settings, conninfo: str, *, with_worker: bool = True) -> FastAPI:
    """Create the relay as an ASGI app on a migrated database. Its background loops run during its lifespan.

    Without `with_worker`, the app only serves, and other processes must run the worker.
    """
    app = FastAPI(
        title="EVConduit relay",
        version=VERSION,
        docs_url=None,  # the API reference is a page of its own, see relay/pages/api_reference.py
        redoc_url=None,
        openapi_url="/api/openapi.json",
        redirect_slashes=False,  # see SlashRedirect
        responses=problem_responses.OPENAPI_RESPONSES,
        lifespan=partial(_lifespan, settings=settings, conninfo=conninfo, with_worker=with_worker),
    )
    app.add_middleware(BodyLimitMiddleware, limit=MAX_BODY_BYTES, is_exempt=lambda path: path == ENODE_WEBHOOK_PATH)
    if settings.public_url is not None:
        app.add_middleware(
            PublicHostMiddleware,
            public_url=settings.base_url,
            trusted_hosts=parse_trusted_hosts(settings.trusted_hosts),
            is_page=site.is_page_path,
        )
    if settings.public_path:
        app.add_middleware(PublicPathMiddleware, prefix=settings.public_path, ingress_port=settings.ingress_port)
    if settings.ingress_port is not None:
        app.add_middleware(IngressMiddleware, port=settings.ingress_port)
    default_headers = build_default_headers(is_https=settings.base_url.startswith("https://"))
    problem_responses.install_handlers(
        app, headers=RELAY_HEADERS, default_headers=default_headers, render_page=site.render_problem_page
    )
    if settings.internal_api_key is not None:
        _install_metrics(app, settings.internal_api_key.get_secret_value())
    app.router.routes.extend(API_ROUTES)
    site.install_pages(app)
    # Last, so that it sees all other headers.
    app.add_middleware(ResponseHeadersMiddleware, headers=RELAY_HEADERS, default_headers=default_headers)
    app.openapi = partial(get_openapi_document, app)  # type: ignore[method-assign] # FastAPI's way to extend it
    app.router.default = SlashRedirect(app.router)
    return app


def _install_metrics(app: FastAPI, internal_key: str) -> None:
    registry = CollectorRegistry()
    app.add_middleware(RequestMetricsMiddleware, registry=registry)
    app.include_router(create_metrics_router(internal_key, registry))


@asynccontextmanager
async def _lifespan(app: FastAPI, *, settings: Settings, conninfo: str, with_worker: bool) -> AsyncIterator[None]:
    async with open_process(settings, conninfo) as process:
        app.state.runtime = process.runtime
        signature_failures = SignatureFailureCounter(process.runtime.pool)
        app.state.inbox = Inbox(
            process.runtime.pool,
            account_id=ENODE_ACCOUNT_ID,
            secrets=await list_accepted_secrets(
                process.runtime.pool, process.runtime.secret_key, settings.webhook_secrets
            ),
            wake=process.inbox_waker.wake,
            on_signature_failure=signature_failures.increment,
        )
        loops = {**process.loops, **build_web_loops(process), "signature failures": signature_failures.run}
        if with_worker:
            loops |= build_worker_loops(process)
        async with run_in_background(loops):
            log.info("relay ready version=%s worker=%s", VERSION, with_worker)
            yield


def build_web_loops(process: Process) -> BackgroundLoops:
    """Return the loops that a serving process runs in addition to those of every process."""
    process.runtime.feed_waker.add_callback(process.runtime.hub.request_delivery)
    loops: BackgroundLoops = {"streams": process.runtime.hub.run}
    if process.settings.is_announced:
        loops["announcement"] = build_announcer(process).run
    return loops


def build_announcer(process: Process) -> Announcer:
    """Return what announces this process's address on the local network."""
    from relay.kit.announcement import Announcer, build_service, list_addresses  # noqa: PLC0415 - slow, and rarely used

    settings = process.settings
    return Announcer(
        partial(build_service, process.runtime.instance_id, VERSION, settings.port),
        partial(list_addresses, settings.host),
    )
