"""A relay whose Enode is a test double, and a client of its command routes."""

import asyncio

import httpx
import pytest
from fastapi import FastAPI

from relay.bus.waker import FEED_CHANNEL, Waker
from relay.gateways.enode import Clock, EnodeClient, EnodeConfig
from relay.kit import problem_responses
from relay.kit.jobs import JobQueue
from relay.streams.hub import Hub
from relay.usecases.calls.runtime import Runtime
from relay.usecases.classic import charging_commands
from relay.usecases.commands import command_routes
from relay.usecases.commands.check_outcome import CHECK_COMMAND_JOB
from relay.usecases.feed.reader import create_feed_reader
from tests.relay.support.enode_double import EnodeDouble
from tests.relay.support.plans import CLOUD


@pytest.fixture
def enode():
    return EnodeDouble()


@pytest.fixture
async def runtime(pool, enode):
    async def skip_wait(_seconds):
        await asyncio.sleep(0)

    config = EnodeConfig(base_url="http://enode", auth_url="http://enode/token", client_id="i", client_secret="s")
    async with httpx.AsyncClient(transport=httpx.MockTransport(enode.handle)) as http:
        jobs = JobQueue()
        jobs.register(CHECK_COMMAND_JOB, skip_wait)
        await jobs.open(pool)
        client = EnodeClient(http, config, clock=Clock(sleep=skip_wait))
        yield Runtime(
            pool=pool,
            hub=Hub(create_feed_reader(pool)),
            feed_waker=Waker(pool, FEED_CHANNEL),
            jobs=jobs,
            enode=client,
            version="test",
            plans=CLOUD,
        )


@pytest.fixture
async def api(runtime, account):
    app = FastAPI()
    app.state.runtime = runtime
    app.include_router(charging_commands.router)
    app.include_router(command_routes.router)
    problem_responses.install_handlers(app)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    headers = {"Authorization": account.header}
    async with httpx.AsyncClient(transport=transport, base_url="http://relay", headers=headers) as client:
        yield client


@pytest.fixture
def start(api, account):
    async def post(**headers):
        url = f"/api/ha/v2/vehicles/{account.vehicle_id}/charging"
        return await api.post(url, json={"action": "START"}, headers=headers)

    return post
