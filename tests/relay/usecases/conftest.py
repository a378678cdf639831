"""A relay and the simulated Enode, and accounts on it."""

import asyncio
from uuid import uuid4

import pytest

from relay.app import create_app
from relay.bus.waker import FEED_CHANNEL, Waker
from relay.gateways.enode import EnodeConfig, open_enode
from relay.kit.jobs import JobQueue
from relay.settings import Settings
from relay.streams.hub import Hub
from relay.usecases.calls.runtime import Runtime
from relay.usecases.commands.send_command import CHECK_COMMAND_JOB
from relay.usecases.feed.reader import create_feed_reader
from tests.demo.enode.running_simulator import run_signed_in_simulator
from tests.relay.support.linking import HOME, World
from tests.relay.support.simulated_vehicle import SimulatedVehicle, create_api_client


@pytest.fixture(scope="module")
def simulator():
    with run_signed_in_simulator() as simulator:
        yield simulator


@pytest.fixture
async def make_world(pool, database_url, tmp_path, simulator, make_account):
    """Makes relays with an account that has no car yet."""
    settings = Settings(
        data=tmp_path,
        database_url=database_url,
        secret_key="k" * 32,
        public_url=HOME,
        **simulator.relay_settings(),
        enode_webhook_secret="the-secret-of-the-subscription",
    )
    app = create_app(settings, database_url, with_worker=False)
    made = []

    async def make(**wanted):
        world = World(app, pool, simulator, await make_account(**wanted))
        await world.rows("delete from vehicles where user_id = %s", world.account.user_id)
        made.append(world)
        return world

    async with app.router.lifespan_context(app):
        yield make
        for world in made:
            for client in (world.api, world.browser, world.enode):
                await client.aclose()


@pytest.fixture
async def world(make_world):
    return await make_world()


@pytest.fixture
async def enode_client(simulator):
    """A client of the simulated Enode, as a relay has it."""
    config = EnodeConfig(
        base_url=simulator.url,
        auth_url=f"{simulator.url}/oauth2/token",
        client_id=simulator.settings.client_id,
        client_secret=simulator.settings.client_secret,
    )
    async with open_enode(config) as client:
        yield client


@pytest.fixture
async def relay_runtime(pool, enode_client):
    """A runtime without a worker: command checks are queued but do nothing."""

    async def skip_check(**_arguments):
        await asyncio.sleep(0)

    jobs = JobQueue()
    jobs.register(CHECK_COMMAND_JOB, skip_check)
    await jobs.open(pool)
    return Runtime(
        pool=pool,
        hub=Hub(create_feed_reader(pool)),
        feed_waker=Waker(pool, FEED_CHANNEL),
        jobs=jobs,
        enode=enode_client,
        version="test",
        public_url=HOME,
    )


@pytest.fixture
async def v2_api(relay_runtime, account):
    """A client of the v2 API with the account's key."""
    async with create_api_client(relay_runtime, account) as client:
        yield client


@pytest.fixture
def link_simulated_vehicle(pool, simulator, enode_client, account):
    """Links a vehicle of this model in the simulator and makes it the account's vehicle."""

    async def link(model):
        account.enode_id = await asyncio.to_thread(simulator.link_car, model, user=str(uuid4()))
        vehicle = SimulatedVehicle(pool, simulator, enode_client, account)
        await vehicle.execute("update vehicle_links set enode_vehicle_id = %s", account.enode_id)
        await vehicle.change(activity="plug_in", battery_level=40)
        return vehicle

    return link


@pytest.fixture
async def simulated_vehicle(link_simulated_vehicle):
    """The account's vehicle, a plugged-in Tesla of the simulator's."""
    return await link_simulated_vehicle("tesla-model-3")
