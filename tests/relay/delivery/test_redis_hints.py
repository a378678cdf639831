import asyncio
from contextlib import asynccontextmanager
from datetime import timedelta
from uuid import uuid4

import pytest

from relay.delivery.hearing import ListenTimes
from relay.delivery.redis_hints import RedisListener, carries_hints, open_redis, publish
from relay.delivery.wake import FEED, INBOX, Waker
from tests.relay.delivery.redis_server import REDIS, WANTED, RedisServer
from tests.relay.delivery.world import running, until

pytestmark = pytest.mark.skipif(REDIS is None, reason=WANTED)

QUICK = ListenTimes(
    test_every=timedelta(seconds=0.3), answer_within=timedelta(seconds=2), poll_every=timedelta(seconds=0.05)
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
        self.wakers = {channel: Waker(pool, channel, send=publish(client)) for channel in (FEED, INBOX)}
        self.heard = {channel: [] for channel in self.wakers}
        for channel, waker in self.wakers.items():
            waker.subscribe(self.heard[channel].append)
        self.listener = RedisListener(client, list(self.wakers.values()), times=times)


@asynccontextmanager
async def process(pool, redis, times=QUICK):
    async with open_redis(redis.url) as client:
        it = Process(pool, client, times)
        async with running(it.listener.run(), *(waker.run() for waker in it.wakers.values())):
            yield it


async def listening(*processes):
    await until(lambda: all(it.listener.status == "listening" for it in processes))


async def test_processes_hear_each_other_through_redis_and_not_themselves(pool, redis):
    async with process(pool, redis) as here, process(pool, redis) as there:
        await listening(here, there)
        for it in (here, there):
            for heard in it.heard.values():
                heard.clear()
        users = {uuid4() for _ in range(1000)}
        here.wakers[FEED].wake(users)
        await until(lambda: frozenset().union(*there.heard[FEED]) == users)
        there.wakers[INBOX].wake([one := uuid4()])
        await until(lambda: here.heard[INBOX] == [{one}])
        assert here.heard[FEED] == [users]
        assert there.heard[INBOX] == [{one}]


async def test_while_redis_is_down_it_looks_by_itself_and_says_so_once(pool, redis, caplog):
    caplog.set_level("INFO", "relay")
    async with process(pool, redis) as here, process(pool, redis) as there:
        await listening(here, there)
        redis.stop()
        await until(lambda: here.listener.status != "listening")
        seen = len(here.heard[FEED])
        for _ in range(20):
            there.wakers[FEED].wake([uuid4()])
            await asyncio.sleep(0.02)
        await until(lambda: here.heard[FEED][seen:].count(None) > 5)
        assert caplog.text.count("was not sent") == 1
        redis.start()
        await listening(here, there)
        there.wakers[FEED].wake([one := uuid4()])
        await until(lambda: {one} in here.heard[FEED])
    assert str(redis.port) not in caplog.text


async def test_a_server_that_swallows_what_is_published_is_noticed(pool, redis, caplog):
    """The commands of pub/sub may be forbidden to this client, or go elsewhere."""
    times = ListenTimes(
        test_every=timedelta(seconds=0.1), answer_within=timedelta(seconds=0.1), poll_every=timedelta(seconds=0.02)
    )

    async with process(pool, redis, times) as here:
        await listening(here)
        published = here.listener._client.publish

        async def swallow(_channel, _message):
            return 0

        here.listener._client.publish = swallow
        await until(lambda: here.listener.status == "polling")
        seen = len(here.heard[FEED])
        await until(lambda: len(here.heard[FEED]) > seen + 10)
        here.listener._client.publish = published
        await listening(here)
    assert caplog.text.count("do not arrive through Redis") == 1


async def test_the_doctor_s_question(redis):
    async with open_redis(redis.url) as client:
        assert await carries_hints(client) is None
        redis.stop()
        assert "does not answer" in await carries_hints(client)


async def test_a_server_that_is_not_there_yet_is_waited_for(pool, redis):
    redis.stop()
    async with process(pool, redis) as here:
        await until(lambda: here.listener.status == "reconnecting")
        redis.start()
        await listening(here)
