import asyncio
from contextlib import asynccontextmanager
from datetime import timedelta
from uuid import uuid4

import pytest

from relay.bus.listener_state import ListenerTimings
from relay.bus.redis import RedisListener, create_redis_sender, find_pubsub_problem, open_redis
from relay.bus.waker import FEED_CHANNEL, INBOX_CHANNEL, Waker
from tests.relay.support.feed import running, wait_until
from tests.relay.support.redis_server import REDIS, REDIS_MISSING, RedisServer

pytestmark = pytest.mark.skipif(REDIS is None, reason=REDIS_MISSING)

QUICK = ListenerTimings(
    test_interval=timedelta(seconds=0.3), test_timeout=timedelta(seconds=2), poll_interval=timedelta(seconds=0.05)
)


@pytest.fixture
def redis(tmp_path):
    server = RedisServer(tmp_path)
    server.start()
    yield server
    server.stop()


class Process:
    """What one process has: wakers, their listener, and what they were told."""

    def __init__(self, pool, client, times):
        self.wakers = {
            channel: Waker(pool, channel, send=create_redis_sender(client)) for channel in (FEED_CHANNEL, INBOX_CHANNEL)
        }
        self.hints = {channel: [] for channel in self.wakers}
        for channel, waker in self.wakers.items():
            waker.add_callback(self.hints[channel].append)
        self.listener = RedisListener(client, list(self.wakers.values()), timings=times)


@asynccontextmanager
async def run_process(pool, redis, times=QUICK):
    async with open_redis(redis.url) as client:
        it = Process(pool, client, times)
        async with running(it.listener.run(), *(waker.run() for waker in it.wakers.values())):
            yield it


async def wait_until_listening(*processes):
    await wait_until(lambda: all(it.listener.status == "listening" for it in processes))


async def test_processes_hear_each_other_through_redis_and_not_themselves(pool, redis):
    async with run_process(pool, redis) as here, run_process(pool, redis) as there:
        await wait_until_listening(here, there)
        for it in (here, there):
            for heard in it.hints.values():
                heard.clear()
        users = {uuid4() for _ in range(1000)}
        here.wakers[FEED_CHANNEL].wake(users)
        await wait_until(lambda: frozenset().union(*there.hints[FEED_CHANNEL]) == users)
        there.wakers[INBOX_CHANNEL].wake([one := uuid4()])
        await wait_until(lambda: here.hints[INBOX_CHANNEL] == [{one}])
        assert here.hints[FEED_CHANNEL] == [users]
        assert there.hints[INBOX_CHANNEL] == [{one}]


async def test_while_redis_is_down_it_looks_by_itself_and_says_so_once(pool, redis, caplog):
    caplog.set_level("INFO", "relay")
    async with run_process(pool, redis) as here, run_process(pool, redis) as there:
        await wait_until_listening(here, there)
        redis.stop()
        await wait_until(lambda: here.listener.status != "listening")
        seen = len(here.hints[FEED_CHANNEL])
        for _ in range(20):
            there.wakers[FEED_CHANNEL].wake([uuid4()])
            await asyncio.sleep(0.02)
        await wait_until(lambda: here.hints[FEED_CHANNEL][seen:].count(None) > 5)
        assert caplog.text.count("was not sent") == 1
        redis.start()
        await wait_until_listening(here, there)
        there.wakers[FEED_CHANNEL].wake([one := uuid4()])
        await wait_until(lambda: {one} in here.hints[FEED_CHANNEL])
    assert str(redis.port) not in caplog.text


async def test_a_server_that_swallows_what_is_published_is_noticed(pool, redis, caplog):
    """The commands of pub/sub may be forbidden to this client, or go elsewhere."""
    times = ListenerTimings(
        test_interval=timedelta(seconds=0.1), test_timeout=timedelta(seconds=0.1), poll_interval=timedelta(seconds=0.02)
    )

    async with run_process(pool, redis, times) as here:
        await wait_until_listening(here)
        published = here.listener._client.publish

        async def swallow(_channel, _message):
            return 0

        here.listener._client.publish = swallow
        await wait_until(lambda: here.listener.status == "polling")
        seen = len(here.hints[FEED_CHANNEL])
        await wait_until(lambda: len(here.hints[FEED_CHANNEL]) > seen + 10)
        here.listener._client.publish = published
        await wait_until_listening(here)
    assert caplog.text.count("do not arrive through Redis") == 1


async def test_the_doctor_s_question(redis):
    async with open_redis(redis.url) as client:
        assert await find_pubsub_problem(client) is None
        redis.stop()
        assert "does not answer" in await find_pubsub_problem(client)


async def test_a_server_that_is_not_there_yet_is_waited_for(pool, redis):
    redis.stop()
    async with run_process(pool, redis) as here:
        await wait_until(lambda: here.listener.status == "reconnecting")
        redis.start()
        await wait_until_listening(here)
