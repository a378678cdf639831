"""A relay and the simulated Enode, and accounts on it."""

import pytest

from relay.app import create_app
from relay.settings import Settings
from tests.demo.enode.running_simulator import run_signed_in_simulator
from tests.relay.support.linking import HOME, World


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
