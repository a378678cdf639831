import pytest

from tests.relay.support.enode_events import make_pipeline


@pytest.fixture
async def pipeline(pool):
    return await make_pipeline(pool)
