"""A process's worth of relay, as a worker has it, without anything running by itself."""

import pytest

from relay.delivery.hub import Hub
from relay.delivery.wake import FEED, Waker
from relay.kit.database import Pool
from relay.kit.jobs import Jobs
from relay.usecases.read_feed import feed_reader
from relay.usecases.runtime import Runtime


@pytest.fixture
async def runtime(pool: Pool) -> Runtime:
    jobs = Jobs()
    await jobs.open(pool)
    return Runtime(
        pool=pool, hub=Hub(feed_reader(pool)), feed_waker=Waker(pool, FEED), jobs=jobs, enode=None, version="1.2.3"
    )
