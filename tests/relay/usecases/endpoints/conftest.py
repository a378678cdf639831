"""A runtime that may connect to loopback, its API client, a receiver, and a deliverer that does not sweep."""

from datetime import timedelta

import aiohttp
import pytest

from relay.usecases.endpoints.deliver_to_endpoints import Deliverer, DeliveryRules
from tests.relay.support.endpoints import SECRET_KEY, make_runtime, open_api_client, open_test_outbound, run_receiver
from tests.relay.support.plans import CLOUD


@pytest.fixture
async def runtime(pool):
    async with open_test_outbound() as outbound:
        yield make_runtime(pool, outbound)


@pytest.fixture
async def client(runtime):
    async with open_api_client(runtime) as client:
        yield client


@pytest.fixture
async def receiver():
    async with run_receiver() as receiver:
        yield receiver


@pytest.fixture
def deliverer(runtime):
    rules = DeliveryRules(sweep_interval=timedelta(hours=1), plans=CLOUD)
    return Deliverer(runtime.pool, runtime.outbound, secret_key=SECRET_KEY, version="1.2.3", rules=rules)


@pytest.fixture
async def http():
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=None)) as session:
        yield session
