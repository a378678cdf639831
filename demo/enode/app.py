"""The simulator's ASGI application."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware

from demo.enode import control, control_deliveries, link_pages
from demo.enode.api import (
    health,
    locations,
    not_simulated,
    oauth,
    smart_charging,
    tariffs,
    users,
    vehicles,
    webhook_subscriptions,
)
from demo.enode.api.authentication import AuthenticationMiddleware
from demo.enode.api_faults import ApiFaultMiddleware
from demo.enode.engine import Engine, Settings, run_engine
from demo.enode.problems import ProblemError, answer_http_error, answer_problem
from demo.enode.world import World


def create_app(settings: Settings, world: World) -> Starlette:
    """Create the application. It runs `world` between its startup and its shutdown."""

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[dict[str, Engine]]:
        async with run_engine(settings, world) as engine:
            yield {"engine": engine}

    modules = (
        oauth,
        users,
        vehicles,
        smart_charging,
        locations,
        tariffs,
        webhook_subscriptions,
        health,
        not_simulated,
        link_pages,
        control,
        control_deliveries,
    )
    return Starlette(
        routes=[route for module in modules for route in module.ROUTES],
        middleware=[Middleware(ApiFaultMiddleware), Middleware(AuthenticationMiddleware)],
        exception_handlers={ProblemError: answer_problem, HTTPException: answer_http_error},
        lifespan=lifespan,
    )
