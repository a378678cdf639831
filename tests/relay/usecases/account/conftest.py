"""A runtime as in a worker process, without background tasks."""

import pytest

from relay.bus.waker import FEED_CHANNEL, Waker
from relay.kit.database import Pool
from relay.kit.jobs import JobQueue
from relay.streams.hub import Hub
from relay.usecases.calls.runtime import Runtime
from relay.usecases.feed.reader import create_feed_reader


@pytest.fixture
async def runtime(pool: Pool) -> Runtime:
    jobs = JobQueue()
    await jobs.open(pool)
    return Runtime(
        pool=pool,
        hub=Hub(create_feed_reader(pool)),
        feed_waker=Waker(pool, FEED_CHANNEL),
        jobs=jobs,
        enode=None,
        version="1.2.3",
    )
