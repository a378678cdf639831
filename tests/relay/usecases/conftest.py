"""A relay with the simulated Enode, and accounts on it."""

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
from relay.usecases.commands.check_outcome import CHECK_COMMAND_JOB
from relay.usecases.feed.reader import create_feed_reader
from tests.demo.enode.running_simulator import run_signed_in_simulator
from tests.relay.support.linking import HOME, LinkingScenario
from tests.relay.support.simulated_vehicle import SimulatedVehicle, create_api_client


@pytest.fixture(scope="module")
def simulator():
    with run_signed_in_simulator() as simulator:
        yield simulator


@pytest.fixture
async def make_scenario(pool, database_url, tmp_path, simulator, make_account):
    """Create scenarios on one relay, each with an account that has no vehicle yet."""
    settings = Settings(
        data=tmp_path,
        database_url=database_url,
        secret_key="k" * 32,
        public_url=HOME,
        **simulator.relay_settings(),
        enode_webhook_secret="webhook-subscription-secret",
    )
    app = create_app(settings, database_url, with_worker=False)
    scenarios = []

    async def make(**account_options):
        scenario = LinkingScenario(app, pool, simulator, await make_account(**account_options))
        await scenario.query("delete from vehicles where user_id = %s", scenario.account.user_id)
        scenarios.append(scenario)
        return scenario

    async with app.router.lifespan_context(app):
        yield make
        for scenario in scenarios:
            for client in (scenario.api, scenario.browser, scenario.enode):
                await client.aclose()


@pytest.fixture
async def scenario(make_scenario):
    return await make_scenario()


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
