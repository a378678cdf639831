import asyncio
from contextlib import ExitStack
from datetime import timedelta
from uuid import uuid4

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from relay.bus.postgres import PostgresListener
from relay.bus.waker import FEED_CHANNEL, Waker
from relay.feed.messages import AccountMessage
from relay.kit.problems import Problem
from relay.streams.hub import Hub, StreamRules
from relay.usecases.feed.reader import create_feed_reader, read_snapshot
from tests.relay.support.feed import (
    StreamReader,
    add_transition,
    add_user,
    parse_events,
    put_vehicle,
    remove_vehicle,
    running,
    start_listener,
    wait_until,
)

NO_SWEEP = StreamRules(sweep_interval=timedelta(hours=1))


async def test_a_woken_user_is_told_in_order_and_only_what_is_new(pool):
    ada = await add_user(pool)
    car, _ = await put_vehicle(pool, ada.id, level=10)
    hub = Hub(create_feed_reader(pool), NO_SWEEP)
    with hub.open_listener(ada.id, ada.credential) as subscription:
        cursor = await start_listener(pool, subscription)
        ear = StreamReader(subscription)
        async with running(hub.run()):
            first = await add_transition(pool, ada.id, car, "plugged_in")
            await put_vehicle(pool, ada.id, car, level=11)
            _, newest = await put_vehicle(pool, ada.id, car, level=12)
            hub.request_delivery(frozenset([ada.id]))
            heard = await ear.read_until_seq(newest)
            assert [(it.name, it.seq) for it in heard] == [("transition", first), ("vehicle", newest)]
            assert heard[1].data["vehicle"]["chargeState"]["batteryLevel"] == 12
            gone = await remove_vehicle(pool, ada.id, car, "unlinked")
            hub.request_delivery(frozenset([ada.id]))
            heard = await ear.read_until_seq(gone)
    assert heard[-1].name == "vehicle_removed"
    assert heard[-1].data == {"id": str(car), "reason": "unlinked"}
    assert cursor.seq < first
    assert hub.stream_count == 0


async def test_what_is_committed_between_snapshot_and_start_is_told(pool):
    ada = await add_user(pool)
    hub = Hub(create_feed_reader(pool), NO_SWEEP)
    async with running(hub.run()):
        with hub.open_listener(ada.id, ada.credential) as subscription:
            cursor = await cursor_now(pool, ada)
            car, revision = await put_vehicle(pool, ada.id)
            hub.request_delivery(frozenset([ada.id]))
            await asyncio.sleep(0.05)  # time for the hub to take the hint while nobody can be told
            subscription.start(cursor)
            heard = await StreamReader(subscription).read_until_seq(revision)
    assert [it.data["id"] for it in heard] == [str(car)]


async def cursor_now(pool, person):
    async with pool.connection() as connection:
        return (await read_snapshot(connection, person.id)).cursor


async def test_a_hint_that_was_lost_is_healed_by_the_sweep(pool):
    ada = await add_user(pool)
    hub = Hub(create_feed_reader(pool), StreamRules(sweep_interval=timedelta(seconds=0.1)))
    with hub.open_listener(ada.id, ada.credential) as subscription:
        await start_listener(pool, subscription)
        async with running(hub.run()):
            _, revision = await put_vehicle(pool, ada.id)
            assert (await StreamReader(subscription).read_until_seq(revision))[-1].seq == revision


async def test_a_database_that_fails_is_asked_again(pool, caplog):
    ada = await add_user(pool)
    read, failures = create_feed_reader(pool), [psycopg.OperationalError("gone")] * 3

    async def failing(cursors):
        if failures:
            raise failures.pop()
        return await read(cursors)

    hub = Hub(failing, StreamRules(sweep_interval=timedelta(seconds=0.05)))
    with hub.open_listener(ada.id, ada.credential) as subscription:
        await start_listener(pool, subscription)
        async with running(hub.run()):
            _, revision = await put_vehicle(pool, ada.id)
            await StreamReader(subscription).read_until_seq(revision)
    assert caplog.text.count("could not be read (OperationalError)") == 3


async def test_two_processes_on_one_database_both_deliver(pool, database_url):
    ada = await add_user(pool)
    hubs = [Hub(create_feed_reader(pool), NO_SWEEP) for _ in range(2)]
    wakers = [Waker(pool, FEED_CHANNEL) for _ in range(2)]
    listeners = [PostgresListener(database_url, pool, [waker]) for waker in wakers]
    for hub, waker in zip(hubs, wakers, strict=True):
        waker.add_callback(hub.request_delivery)
    parts = [it.run() for it in (*hubs, *wakers, *listeners)]
    async with running(*parts), asyncio.timeout(20):
        await wait_until(lambda: all(it.status == "listening" for it in listeners))
        with ExitStack() as stack:
            subscriptions = [stack.enter_context(hub.open_listener(ada.id, ada.credential)) for hub in hubs]
            for subscription in subscriptions:
                await start_listener(pool, subscription)
            car, _ = await put_vehicle(pool, ada.id)
            newest = await add_transition(pool, ada.id, car)
            wakers[0].wake([ada.id])
            heard = [await StreamReader(subscription).read_until_seq(newest) for subscription in subscriptions]
    assert heard[0] == heard[1]
    assert [it.name for it in heard[0]] == ["vehicle", "transition"]


async def test_one_query_reads_for_all_who_were_woken(pool):
    async with pool.connection() as connection:
        cursor = await connection.execute(
            """
            with people as (insert into users (name) select 'p' from generate_series(1, 1000) returning id),
                 f as (insert into feeds (user_id, seq) select id, 1 from people)
            select id from people
            """
        )
        people = [row[0] for row in await cursor.fetchall()]
    read, asked = create_feed_reader(pool), []

    async def counting(cursors):
        asked.append(len(cursors))
        return await read(cursors)

    hub = Hub(counting, NO_SWEEP)
    with ExitStack() as stack:
        subscriptions = [stack.enter_context(hub.open_listener(user_id, uuid4())) for user_id in people]
        for subscription in subscriptions:
            await start_listener(pool, subscription)
        async with pool.connection() as connection:
            await connection.execute(
                """
                with f as (update feeds set seq = 2)
                insert into vehicles (user_id, vendor, vehicle_cache, revision)
                select user_id, 'KIA', '{}', 2 from feeds
                """
            )
        async with running(hub.run()):
            hub.request_delivery(frozenset(people))
            heard = await asyncio.gather(
                *(StreamReader(subscription).read_until_seq(2) for subscription in subscriptions)
            )
    assert all([it.name for it in theirs] == ["vehicle"] for theirs in heard)
    assert len({theirs[0].data["id"] for theirs in heard}) == 1000
    assert asked == [1000]


async def test_a_user_has_five_places_and_gets_one_back(pool):
    ada, bob = await add_user(pool), await add_user(pool)
    hub = Hub(create_feed_reader(pool))
    with ExitStack() as stack:
        for _ in range(4):
            stack.enter_context(hub.open_listener(ada.id, ada.credential))
        with hub.open_listener(ada.id, ada.credential):
            with pytest.raises(Problem) as refused, hub.open_listener(ada.id, ada.credential):
                pass
            assert (refused.value.status, refused.value.slug) == (429, "too-many-streams")
            stack.enter_context(hub.open_listener(bob.id, bob.credential))
        stack.enter_context(hub.open_listener(ada.id, ada.credential))
        assert hub.stream_count == 6
    assert hub.stream_count == 0


async def test_a_slow_reader_is_dropped_and_others_are_not(pool):
    ada = await add_user(pool)
    hub = Hub(create_feed_reader(pool), StreamRules(sweep_interval=timedelta(hours=1), max_backlog_bytes=4000))
    with hub.open_listener(ada.id, ada.credential) as slow, hub.open_listener(ada.id, ada.credential) as quick:
        await start_listener(pool, slow)
        await start_listener(pool, quick)
        ear = StreamReader(quick)
        async with running(hub.run()):
            car = None
            for level in range(20):
                car, revision = await put_vehicle(pool, ada.id, car, level=level)
                hub.request_delivery(frozenset([ada.id]))
                await ear.read_until_seq(revision)
        assert len(ear.events) == 20
        async with asyncio.timeout(5):
            assert await slow.receive() == b""


async def test_a_restored_database_ends_the_stream(pool):
    ada, bob = await add_user(pool), await add_user(pool)
    hub = Hub(create_feed_reader(pool), NO_SWEEP)
    with hub.open_listener(ada.id, ada.credential) as shorter, hub.open_listener(bob.id, bob.credential) as other:
        await put_vehicle(pool, ada.id)
        await start_listener(pool, shorter)
        await start_listener(pool, other)
        async with pool.connection() as connection:
            await connection.execute("update feeds set seq = 0 where user_id = %s", [ada.id])
            await connection.execute("update feeds set epoch = 'new', seq = 9 where user_id = %s", [bob.id])
        async with running(hub.run()):
            hub.request_delivery(None)
            assert await StreamReader(shorter).read_until_end() == []
            assert await StreamReader(other).read_until_end() == []


async def test_a_restart_says_bye_after_what_was_queued_and_lets_nobody_in(pool):
    ada = await add_user(pool)
    hub = Hub(create_feed_reader(pool))
    with (
        hub.open_listener(ada.id, ada.credential) as subscription,
        hub.open_listener(ada.id, ada.credential) as unstarted,
    ):
        await start_listener(pool, subscription)
        subscription.send_message(AccountMessage(record={"id": "1"}))
        hub.close("restart", retry_after=3)
        hub.close("restart", retry_after=3)
        heard = await StreamReader(subscription).read_until_end()
        assert [it.name for it in heard] == ["account", "bye"]
        assert heard[1].data == {"reason": "restart", "retry_after": 3}
        await start_listener(pool, unstarted)
        assert [it.name for it in await StreamReader(unstarted).read_until_end()] == ["bye"]
        with pytest.raises(Problem) as refused, hub.open_listener(ada.id, ada.credential):
            pass
    assert (refused.value.status, refused.value.headers["Retry-After"]) == (503, "3")


async def test_revoking_ends_the_streams_of_that_credential_or_user_only(pool):
    ada, bob = await add_user(pool), await add_user(pool)
    hub = Hub(create_feed_reader(pool))
    with (
        hub.open_listener(ada.id, ada.credential) as first,
        hub.open_listener(ada.id, uuid4()) as second,
        hub.open_listener(bob.id, bob.credential) as third,
    ):
        for subscription in (first, second, third):
            await start_listener(pool, subscription)
        hub.close_credential_streams(ada.credential)
        assert [it.data["reason"] for it in await StreamReader(first).read_until_end()] == ["revoked"]
        second.send_message(AccountMessage(record={}))
        hub.close_user_streams(ada.id)
        assert [it.name for it in await StreamReader(second).read_until_end()] == ["account", "bye"]
        third.send_message(AccountMessage(record={}))
        assert [it.name for it in parse_events(await third.receive())] == ["account"]


async def test_an_account_message_takes_the_place_of_the_last_change(pool):
    ada = await add_user(pool)
    hub = Hub(create_feed_reader(pool), NO_SWEEP)
    with hub.open_listener(ada.id, ada.credential) as subscription:
        cursor = await start_listener(pool, subscription)
        subscription.send_message(AccountMessage(record={"used": 1}))
        [event] = parse_events(await subscription.receive())
    assert (event.name, event.id, event.data) == ("account", str(cursor), {"used": 1})


# What may happen in any order: commits, hints, and streams that begin at any point of it; `read` lets the hub work.
STEPS = st.lists(
    st.sampled_from(["state", "state", "transition", "remove", "hint", "hint", "subscribe", "start", "read"]),
    max_size=25,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS, inside=STEPS)
async def test_any_interleaving_tells_an_ordered_part_of_the_truth_up_to_the_newest_state(pool, steps, inside):
    """`steps` happen between the hub's queries, `inside` while one is under way, right after the database was read."""
    ada = await add_user(pool)
    first, _ = await put_vehicle(pool, ada.id, level=0)
    second, _ = await put_vehicle(pool, ada.id, level=0)
    world = World(pool, ada, cars=[first, second], inside=list(inside))
    with ExitStack() as stack:
        world.stack = stack
        async with running(world.hub.run()):
            for step in steps:
                await world.do(step)
            await world.finish()
            for ear, cursor in world.ears:
                await ear.read_until_seq(world.last)
                world.check(ear.events, cursor)


class World:
    def __init__(self, pool, person, *, cars, inside):
        self.pool, self.person, self.cars, self.inside = pool, person, cars, inside
        self.level = 0
        self.truth = {}  # seq -> what happened
        self.newest = {}  # car -> its newest seq
        self.unstarted, self.ears = [], []
        self.last = 0
        self.read = create_feed_reader(pool)
        self.hub = Hub(self.interrupted_read, StreamRules(sweep_interval=timedelta(hours=1), max_streams_per_user=99))

    async def interrupted_read(self, cursors):
        found = await self.read(cursors)
        for _ in range(2):
            if self.inside:
                await self.do(self.inside.pop())
        return found

    async def do(self, step):
        await getattr(self, f"_{step}")()

    async def _state(self):
        self.level += 1
        level, car = self.level, self.cars[self.level % len(self.cars)]
        _, seq = await put_vehicle(self.pool, self.person.id, car, level=level)
        self._note(seq, "vehicle", car, level)

    async def _transition(self):
        seq = await add_transition(self.pool, self.person.id, self.cars[0])
        self._note(seq, "transition", self.cars[0], None)

    async def _remove(self):
        car, seq = await put_vehicle(self.pool, self.person.id, level=-1)
        self._note(seq, "vehicle", car, -1)
        seq = await remove_vehicle(self.pool, self.person.id, car)
        self._note(seq, "vehicle_removed", car, None)

    def _note(self, seq, name, car, level):
        self.truth[seq] = name, car, level
        self.last = max(self.last, seq)
        if name != "transition":
            self.newest[car] = max(seq, self.newest.get(car, 0))

    async def _hint(self):
        self.hub.request_delivery(frozenset([self.person.id]))

    async def _subscribe(self):
        self.unstarted.append(self.stack.enter_context(self.hub.open_listener(self.person.id, self.person.credential)))

    async def _start(self):
        if self.unstarted:
            subscription = self.unstarted.pop()
            cursor = await start_listener(self.pool, subscription)
            self.ears.append((StreamReader(subscription), cursor))

    async def _read(self):
        for _ in range(5):
            await asyncio.sleep(0)

    async def finish(self):
        self.inside.clear()
        await self._subscribe()
        while self.unstarted:
            await self._start()
        await self._state()
        await self._hint()

    def check(self, heard, cursor):
        seqs = [event.seq for event in heard]
        assert seqs == sorted(set(seqs))
        assert all(seq > cursor.seq for seq in seqs)
        for event in heard:
            name, car, level = self.truth[event.seq]
            assert event.name == name
            assert event.data.get("vehicle_id", event.data.get("id")) == str(car)
            if name == "vehicle":
                assert event.data["vehicle"]["chargeState"]["batteryLevel"] == level
        # Transitions are all told; of states only the newest must be.
        transitions = {seq for seq, (name, *_) in self.truth.items() if name == "transition" and seq > cursor.seq}
        assert transitions <= set(seqs)
        assert {seq for seq in self.newest.values() if seq > cursor.seq} <= set(seqs)
