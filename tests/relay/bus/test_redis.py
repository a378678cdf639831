import asyncio
from contextlib import asynccontextmanager
from datetime import timedelta
from uuid import uuid4

import pytest

from relay.bus.listener_state import ListenerTimings
from relay.bus.redis import RedisListener, create_redis_sender, find_pubsub_problem, open_redis
from relay.bus.waker import FEED_CHANNEL, INBOX_CHANNEL, Waker
from tests.relay.support.feed import run_in_background, wait_until
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
    """The wakers of one process, their listener, and the hints that they received."""

    def __init__(self, pool, client, timings):
        self.wakers = {
            channel: Waker(pool, channel, send=create_redis_sender(client)) for channel in (FEED_CHANNEL, INBOX_CHANNEL)
        }
        self.hints = {channel: [] for channel in self.wakers}
        for channel, waker in self.wakers.items():
            waker.add_callback(self.hints[channel].append)
        self.listener = RedisListener(client, list(self.wakers.values()), timings=timings)


@asynccontextmanager
async def run_process(pool, redis, timings=QUICK):
    async with open_redis(redis.url) as client:
        process = Process(pool, client, timings)
        async with run_in_background(process.listener.run(), *(waker.run() for waker in process.wakers.values())):
            yield process


async def wait_until_listening(*processes):
    await wait_until(lambda: all(process.listener.status == "listening" for process in processes))


async def test_hints_reach_other_processes_through_redis_once_and_not_the_sender_twice(pool, redis):
    async with run_process(pool, redis) as here, run_process(pool, redis) as there:
        await wait_until_listening(here, there)
        for process in (here, there):
            for hints in process.hints.values():
                hints.clear()
        user_ids = {uuid4() for _ in range(1000)}
        here.wakers[FEED_CHANNEL].wake(user_ids)
        await wait_until(lambda: frozenset().union(*there.hints[FEED_CHANNEL]) == user_ids)
        there.wakers[INBOX_CHANNEL].wake([one := uuid4()])
        await wait_until(lambda: here.hints[INBOX_CHANNEL] == [{one}])
        assert here.hints[FEED_CHANNEL] == [user_ids]
        assert there.hints[INBOX_CHANNEL] == [{one}]


async def test_listener_survives_blank_and_hostile_messages(pool, redis, caplog):
    caplog.set_level("INFO", "relay")
    async with run_process(pool, redis) as here:
        await wait_until_listening(here)
        client = here.listener._client
        for payload in (b"", b" ", b"\n\t", b"\xff\xfe\x00", b"x" * 1_000_000, b"s " + b"0" * 32 + b" \xc3", b"s {}"):
            await client.publish(FEED_CHANNEL, payload)
        await client.publish(FEED_CHANNEL, f"other {(last := uuid4())}")
        await wait_until(lambda: {last} in here.hints[FEED_CHANNEL])
        assert here.listener.status == "listening"
    assert [record.message for record in caplog.records] == ["wake-up listener connected transport=redis"]


async def test_while_redis_is_down_the_listener_polls_and_logs_one_warning(pool, redis, caplog):
    caplog.set_level("INFO", "relay")
    async with run_process(pool, redis) as here, run_process(pool, redis) as there:
        await wait_until_listening(here, there)
        redis.stop()
        await wait_until(lambda: here.listener.status != "listening")
        hint_count = len(here.hints[FEED_CHANNEL])
        for _ in range(20):
            there.wakers[FEED_CHANNEL].wake([uuid4()])
            await asyncio.sleep(0.02)
        await wait_until(lambda: here.hints[FEED_CHANNEL][hint_count:].count(None) > 5)
        assert caplog.text.count("wake-up not sent") == 1
        redis.start()
        await wait_until_listening(here, there)
        there.wakers[FEED_CHANNEL].wake([one := uuid4()])
        await wait_until(lambda: {one} in here.hints[FEED_CHANNEL])
    assert str(redis.port) not in caplog.text


async def test_server_that_drops_published_messages_makes_the_listener_poll(pool, redis, caplog):
    """For example because an ACL forbids pub/sub, or a proxy routes it to another server."""
    timings = ListenerTimings(
        test_interval=timedelta(seconds=0.1), test_timeout=timedelta(seconds=0.1), poll_interval=timedelta(seconds=0.02)
    )

    async with run_process(pool, redis, timings) as here:
        await wait_until_listening(here)
        published = here.listener._client.publish

        async def swallow(_channel, _message):
            return 0

        here.listener._client.publish = swallow
        await wait_until(lambda: here.listener.status == "polling")
        hint_count = len(here.hints[FEED_CHANNEL])
        await wait_until(lambda: len(here.hints[FEED_CHANNEL]) > hint_count + 10)
        here.listener._client.publish = published
        await wait_until_listening(here)
    assert caplog.text.count("wake-up self-test failed, polling instead transport=redis") == 1


async def test_pubsub_check_reports_a_server_that_is_down(redis):
    async with open_redis(redis.url) as client:
        assert await find_pubsub_problem(client) is None
        redis.stop()
        assert "does not answer" in await find_pubsub_problem(client)


async def test_listener_reconnects_once_the_server_is_up(pool, redis):
    redis.stop()
    async with run_process(pool, redis) as here:
        await wait_until(lambda: here.listener.status == "reconnecting")
        redis.start()
        await wait_until_listening(here)
