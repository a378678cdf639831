"""A relay with the simulated Enode, and accounts on it."""

import pytest

from relay.app import create_app
from relay.settings import Settings
from tests.demo.enode.running_simulator import run_signed_in_simulator
from tests.relay.support.linking import HOME, LinkingScenario


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
