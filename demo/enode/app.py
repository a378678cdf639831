"""The whole simulator as one ASGI application."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware

from demo.enode import control, control_mail, link_pages
from demo.enode.api import health, locations, oauth, others, smart, users, vehicles, webhooks
from demo.enode.api.guard import Guard
from demo.enode.engine import Engine, Settings, run_engine
from demo.enode.faults import FaultMiddleware
from demo.enode.problems import ProblemError, answer_http_error, answer_problem
from demo.enode.world import World


def create_app(settings: Settings, world: World) -> Starlette:
    """An application that runs `world` for as long as it is up."""

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[dict[str, Engine]]:
        async with run_engine(settings, world) as engine:
            yield {"engine": engine}

    chapters = (oauth, users, vehicles, smart, locations, webhooks, health, others, link_pages, control, control_mail)
    return Starlette(
        routes=[route for chapter in chapters for route in chapter.ROUTES],
        middleware=[Middleware(FaultMiddleware), Middleware(Guard)],
        exception_handlers={ProblemError: answer_problem, HTTPException: answer_http_error},
        lifespan=lifespan,
    )
