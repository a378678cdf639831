"""Several processes that share only a database and, in some tests, a Redis."""

from contextlib import AsyncExitStack
from datetime import timedelta

import pytest

from relay.bus.postgres import PostgresListener
from relay.bus.redis import RedisListener, create_redis_sender, open_redis
from relay.bus.waker import FEED_CHANNEL, REVOKED_CHANNEL, Waker
from relay.kit.database import open_pool
from relay.streams.hub import Hub
from relay.streams.rules import StreamRules
from relay.usecases.endpoints.deliver_to_endpoints import Deliverer, DeliveryRules
from relay.usecases.feed.reader import create_feed_reader, read_snapshot
from relay.usecases.feed.stream_events import render_initial_events
from tests.relay.support.endpoints import SECRET_KEY, make_runtime, open_api_client, open_test_outbound, run_receiver
from tests.relay.support.feed import (
    StreamReader,
    add_transition,
    add_user,
    parse_events,
    put_vehicle,
    run_in_background,
    start_listener,
    wait_until,
)
from tests.relay.support.redis_server import REDIS, REDIS_MISSING, RedisServer

NEVER = timedelta(hours=1)
# A hint that arrives while an endpoint's lease is being released may find the row locked; then the sweep delivers.
SWEEP = timedelta(seconds=2)


@pytest.fixture(params=["notify", pytest.param("redis", marks=pytest.mark.skipif(REDIS is None, reason=REDIS_MISSING))])
def redis(request, tmp_path):
    """A running Redis, or None when the database carries the hints."""
    if request.param == "notify":
        yield None
        return
    server = RedisServer(tmp_path)
    server.start()
    yield server
    server.stop()


class Process:
    """The parts of one relay process. Its hub never sweeps, so only hints trigger stream deliveries."""

    def __init__(self, pool, outbound, conninfo, client):
        self.pool = pool
        self.waker = Waker(pool, FEED_CHANNEL, send=create_redis_sender(client) if client else None)
        self.revoked = Waker(pool, REVOKED_CHANNEL, send=create_redis_sender(client) if client else None)
        rules = StreamRules(sweep_interval=NEVER, max_backlog_bytes=20_000)
        self.hub = Hub(create_feed_reader(pool), rules, publish_revoked=self.revoked.wake)
        self.revoked.add_callback(self.hub.receive_revoked)
        self.deliverer = Deliverer(
            pool, outbound, secret_key=SECRET_KEY, version="1", rules=DeliveryRules(sweep_interval=SWEEP)
        )
        for on_hint in (self.hub.request_delivery, self.deliverer.add_hint):
            self.waker.add_callback(on_hint)
        wakers = [self.waker, self.revoked]
        self.listener = RedisListener(client, wakers) if client else PostgresListener(conninfo, pool, wakers)


@pytest.fixture
async def processes(database_url, redis):
    async with AsyncExitStack() as stack:
        processes = []
        for _ in range(2):
            pool = await stack.enter_async_context(open_pool(database_url, size=4))
            client = await stack.enter_async_context(open_redis(redis.url)) if redis else None
            outbound = await stack.enter_async_context(open_test_outbound())
            process = Process(pool, outbound, database_url, client)
            jobs = (
                part.run()
                for part in (process.waker, process.revoked, process.hub, process.listener, process.deliverer)
            )
            await stack.enter_async_context(run_in_background(*jobs))
            processes.append(process)
        await wait_until(lambda: all(process.listener.status == "listening" for process in processes))
        yield processes


async def test_streams_of_both_processes_receive_changes_in_order(processes):
    local, remote = processes
    ada = await add_user(local.pool)
    vehicle_id, _ = await put_vehicle(local.pool, ada.id)
    with (
        local.hub.open_listener(ada.id, ada.credential) as local_listener,
        remote.hub.open_listener(ada.id, ada.credential) as remote_listener,
    ):
        readers = [StreamReader(local_listener), StreamReader(remote_listener)]
        for process, listener in zip(processes, (local_listener, remote_listener), strict=True):
            await start_listener(process.pool, listener)
        for level in range(20):
            await add_transition(local.pool, ada.id, vehicle_id)
            _, seq = await put_vehicle(local.pool, ada.id, vehicle_id, level=level)
            local.waker.wake([ada.id])
        for reader in readers:
            events = await reader.read_until_seq(seq)
            seqs = [event.seq for event in events]
            assert seqs == sorted(set(seqs))
            assert sum(event.name == "transition" for event in events) == 20
            assert events[-1].data["vehicle"]["chargeState"]["batteryLevel"] == 19


async def test_revocation_in_one_process_makes_the_other_recheck_its_streams_at_once(processes):
    local, remote = processes
    ada, bob = [await add_user(local.pool) for _ in range(2)]
    with (
        remote.hub.open_listener(ada.id, ada.credential) as remote_listener,
        remote.hub.open_listener(bob.id, bob.credential) as other,
    ):
        local.hub.close_credential_streams(ada.credential)
        await wait_until(remote_listener._recheck_requested.is_set)
        assert not other._recheck_requested.is_set()
        local.hub.close_user_streams(bob.id)
        await wait_until(other._recheck_requested.is_set)
        assert not remote_listener._ended


async def test_dropped_slow_reader_resumes_at_the_other_process(processes):
    local, remote = processes
    ada, bob = [await add_user(local.pool) for _ in range(2)]
    vehicle_id, _ = await put_vehicle(local.pool, ada.id)
    with local.hub.open_listener(ada.id, ada.credential) as slow:
        cursor = await start_listener(local.pool, slow)
        seqs = []
        while not slow._ended:
            seqs.append(await add_transition(local.pool, ada.id, vehicle_id))
            await put_vehicle(local.pool, ada.id, vehicle_id, corrections=["x" * 8_000])
            before = slow.cursor
            local.waker.wake([ada.id])
            await wait_until(lambda before=before: slow.cursor != before or slow._ended)
        assert await slow.receive() == b""  # dropped, with what was queued
    with remote.hub.open_listener(ada.id, ada.credential) as again:
        async with remote.pool.connection() as connection:
            snapshot = await read_snapshot(connection, ada.id, cursor)
        again.start(snapshot.cursor, render_initial_events(snapshot, {}, cursor))
        events = parse_events(await again.receive())
    assert events[0].name == "snapshot"
    assert "gap" not in events[0].data
    assert [event.seq for event in events[1:]] == seqs
    with local.hub.open_listener(bob.id, bob.credential) as quick:
        await start_listener(local.pool, quick)
        _, seq = await put_vehicle(local.pool, bob.id)
        local.waker.wake([bob.id])
        assert (await StreamReader(quick).read_until_seq(seq))[-1].seq == seq


async def test_endpoint_gets_each_change_once_from_two_processes(processes):
    local = processes[0]
    ada = await add_user(local.pool)
    vehicle_id, _ = await put_vehicle(local.pool, ada.id)
    async with run_receiver() as receiver, open_test_outbound() as outbound:
        async with open_api_client(make_runtime(local.pool, outbound)) as client:
            await client.put("endpoint", json={"url": receiver.url()}, headers=ada.header)
        local.waker.wake([ada.id])
        await wait_until(lambda: len(receiver.posts) == 1)
        seqs = []
        for number in range(30):
            seqs.append(await add_transition(local.pool, ada.id, vehicle_id))
            processes[number % 2].waker.wake([ada.id])
        await wait_until(lambda: receiver.messages[-1]["id"].endswith(f".{seqs[-1]}"))
        delivered = [
            int(message["id"].partition(".")[2]) for message in receiver.messages if message["event"] == "transition"
        ]
    assert delivered == seqs
