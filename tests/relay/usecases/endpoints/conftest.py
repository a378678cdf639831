"""A relay that may reach loopback, its routes, a receiver, and a deliverer that only looks when it is told to."""

from datetime import timedelta

import pytest

from relay.usecases.deliver_to_endpoints import Deliverer, DeliveryRules
from tests.relay.plans import CLOUD
from tests.relay.usecases.endpoint_world import KEY, client_of, make_runtime, open_test_outbound, receiving


@pytest.fixture
async def runtime(pool):
    async with open_test_outbound() as outbound:
        yield make_runtime(pool, outbound)


@pytest.fixture
async def client(runtime):
    async with client_of(runtime) as client:
        yield client


@pytest.fixture
async def receiver():
    async with receiving() as receiver:
        yield receiver


@pytest.fixture
def deliverer(runtime):
    rules = DeliveryRules(sweep_every=timedelta(hours=1), plans=CLOUD)
    return Deliverer(runtime.pool, runtime.outbound, key=KEY, version="1.2.3", rules=rules)
