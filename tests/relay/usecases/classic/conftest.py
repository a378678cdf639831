"""A running relay on loopback, between the simulated Enode and a Home Assistant with the classic client."""

import asyncio
from dataclasses import replace

import pytest

from relay.app import create_app
from relay.server import open_listening_socket
from relay.settings import Settings
from tests.demo.enode.running_simulator import run_signed_in_simulator
from tests.relay.support.feed import add_user
from tests.relay.support.plans import CLOUD
from tests.relay.support.serving import serve_relay
from tests.relay.usecases.classic.client import ClassicClient
from tests.relay.usecases.classic.home import run_home

SECRET = "secret-of-the-subscription"


@pytest.fixture
def enode():
    with run_signed_in_simulator() as simulator:
        yield simulator


@pytest.fixture
async def home():
    async with run_home() as home:
        yield home


@pytest.fixture
async def user(pool):
    return await add_user(pool)


@pytest.fixture
async def relay_url(database_url, tmp_path, enode):
    """URL of a running relay that receives Enode's webhook."""
    listening = open_listening_socket("127.0.0.1", 0)
    port = listening.getsockname()[1]
    settings = Settings(
        data=tmp_path,
        port=port,
        database_url=database_url,
        secret_key="k" * 32,
        **enode.relay_settings(),
        enode_webhook_secret=SECRET,
        webhook_url=f"http://127.0.0.1:{port}/api/webhook/enode",
        outbound_allow="127.0.0.1",
    )
    app = create_app(settings, database_url)
    async with serve_relay(app, listening) as url:
        app.state.runtime = replace(app.state.runtime, plans=CLOUD)
        yield url


@pytest.fixture
def client(relay_url, user):
    return ClassicClient(relay_url, user.key)


@pytest.fixture
async def enode_id(pool, enode, client, user):
    """Enode's id of a vehicle that was just linked, once the relay has its state."""
    enode_id = await asyncio.to_thread(enode.link_car, user=str(user.id))
    statement = "select from vehicles where vehicle_cache ->> 'id' = %s and vehicle_cache ->> 'lastSeen' is not null"
    async with asyncio.timeout(30), pool.connection() as connection:
        while not (await connection.execute(statement, [enode_id])).rowcount:
            await asyncio.sleep(0.05)
    return enode_id
