import asyncio
from collections import Counter
from contextlib import ExitStack
from datetime import timedelta
from uuid import uuid4

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from relay.bus.postgres import PostgresListener
from relay.bus.waker import FEED_CHANNEL, Waker
from relay.feed.cursor import Cursor
from relay.feed.messages import AccountMessage
from relay.kit.problems import Problem
from relay.streams.hub import Hub, plan_reconnects
from relay.streams.rules import StreamRules
from relay.usecases.feed.reader import create_feed_reader, read_snapshot
from tests.relay.support.feed import (
    StreamReader,
    add_transition,
    add_user,
    parse_events,
    put_vehicle,
    remove_vehicle,
    run_in_background,
    start_listener,
    wait_until,
)

NO_SWEEP = StreamRules(sweep_interval=timedelta(hours=1))


async def test_hinted_user_receives_new_messages_in_order_and_once(pool):
    ada = await add_user(pool)
    vehicle_id, _ = await put_vehicle(pool, ada.id, level=10)
    hub = Hub(create_feed_reader(pool), NO_SWEEP)
    with hub.open_listener(ada.id, ada.credential) as listener:
        cursor = await start_listener(pool, listener)
        reader = StreamReader(listener)
        async with run_in_background(hub.run()):
            first = await add_transition(pool, ada.id, vehicle_id, "plugged_in")
            await put_vehicle(pool, ada.id, vehicle_id, level=11)
            _, newest = await put_vehicle(pool, ada.id, vehicle_id, level=12)
            hub.request_delivery(frozenset([ada.id]))
            events = await reader.read_until_seq(newest)
            # The hub may already read when the changes are made: then it delivers the state in between as well.
            sequence = [event.seq for event in events]
            assert sequence == sorted(set(sequence))
            assert [(event.name, event.seq) for event in (events[0], events[-1])] == [
                ("transition", first),
                ("vehicle", newest),
            ]
            assert events[-1].data["vehicle"]["chargeState"]["batteryLevel"] == 12
            removal_seq = await remove_vehicle(pool, ada.id, vehicle_id, "unlinked")
            hub.request_delivery(frozenset([ada.id]))
            events = await reader.read_until_seq(removal_seq)
    assert events[-1].name == "vehicle_removed"
    assert events[-1].data == {"id": str(vehicle_id), "reason": "unlinked"}
    assert cursor.seq < first
    assert hub.stream_count == 0


async def test_change_committed_between_snapshot_and_start_is_sent(pool):
    ada = await add_user(pool)
    hub = Hub(create_feed_reader(pool), NO_SWEEP)
    async with run_in_background(hub.run()):
        with hub.open_listener(ada.id, ada.credential) as listener:
            cursor = await read_cursor(pool, ada)
            vehicle_id, revision = await put_vehicle(pool, ada.id)
            hub.request_delivery(frozenset([ada.id]))
            await asyncio.sleep(0.05)  # time for the hub to handle the hint before the listener has started
            listener.start(cursor)
            events = await StreamReader(listener).read_until_seq(revision)
    assert [event.data["id"] for event in events] == [str(vehicle_id)]


async def read_cursor(pool, user):
    async with pool.connection() as connection:
        return (await read_snapshot(connection, user.id)).cursor


async def test_sweep_delivers_changes_whose_hint_was_lost(pool):
    ada = await add_user(pool)
    hub = Hub(create_feed_reader(pool), StreamRules(sweep_interval=timedelta(seconds=0.1)))
    with hub.open_listener(ada.id, ada.credential) as listener:
        await start_listener(pool, listener)
        async with run_in_background(hub.run()):
            _, revision = await put_vehicle(pool, ada.id)
            assert (await StreamReader(listener).read_until_seq(revision))[-1].seq == revision


async def test_hub_retries_after_a_database_error(pool, caplog):
    ada = await add_user(pool)
    read, failures = create_feed_reader(pool), [psycopg.OperationalError("gone")] * 3

    async def failing(positions):
        if failures:
            raise failures.pop()
        return await read(positions)

    hub = Hub(failing, StreamRules(sweep_interval=timedelta(seconds=0.05)))
    with hub.open_listener(ada.id, ada.credential) as listener:
        await start_listener(pool, listener)
        async with run_in_background(hub.run()):
            _, revision = await put_vehicle(pool, ada.id)
            await StreamReader(listener).read_until_seq(revision)
    assert caplog.text.count("feed read failed users=1 error=OperationalError") == 3


async def test_two_processes_on_one_database_both_deliver(pool, database_url):
    ada = await add_user(pool)
    hubs = [Hub(create_feed_reader(pool), NO_SWEEP) for _ in range(2)]
    wakers = [Waker(pool, FEED_CHANNEL) for _ in range(2)]
    postgres_listeners = [PostgresListener(database_url, pool, [waker]) for waker in wakers]
    for hub, waker in zip(hubs, wakers, strict=True):
        waker.add_callback(hub.request_delivery)
    jobs = [component.run() for component in (*hubs, *wakers, *postgres_listeners)]
    async with run_in_background(*jobs), asyncio.timeout(20):
        await wait_until(lambda: all(listener.status == "listening" for listener in postgres_listeners))
        with ExitStack() as stack:
            listeners = [stack.enter_context(hub.open_listener(ada.id, ada.credential)) for hub in hubs]
            for listener in listeners:
                await start_listener(pool, listener)
            vehicle_id, _ = await put_vehicle(pool, ada.id)
            newest = await add_transition(pool, ada.id, vehicle_id)
            wakers[0].wake([ada.id])
            events = [await StreamReader(listener).read_until_seq(newest) for listener in listeners]
    assert events[0] == events[1]
    assert [event.name for event in events[0]] == ["vehicle", "transition"]


async def test_one_query_reads_the_feeds_of_all_hinted_users(pool):
    async with pool.connection() as connection:
        cursor = await connection.execute(
            """
            with new_users as (insert into users (name) select 'p' from generate_series(1, 1000) returning id),
                 f as (insert into feeds (user_id, seq) select id, 1 from new_users)
            select id from new_users
            """
        )
        user_ids = [row[0] for row in await cursor.fetchall()]
    read, query_sizes = create_feed_reader(pool), []

    async def counting(positions):
        query_sizes.append(len(positions))
        return await read(positions)

    hub = Hub(counting, NO_SWEEP)
    with ExitStack() as stack:
        listeners = [stack.enter_context(hub.open_listener(user_id, uuid4())) for user_id in user_ids]
        for listener in listeners:
            await start_listener(pool, listener)
        async with pool.connection() as connection:
            await connection.execute(
                """
                with f as (update feeds set seq = 2)
                insert into vehicles (user_id, vendor, vehicle_cache, revision)
                select user_id, 'KIA', '{}', 2 from feeds
                """
            )
        async with run_in_background(hub.run()):
            hub.request_delivery(frozenset(user_ids))
            events_by_listener = await asyncio.gather(
                *(StreamReader(listener).read_until_seq(2) for listener in listeners)
            )
    assert all([event.name for event in events] == ["vehicle"] for events in events_by_listener)
    assert len({events[0].data["id"] for events in events_by_listener}) == 1000
    assert query_sizes == [1000]


async def test_sixth_stream_of_a_user_is_refused_until_one_closes(pool):
    ada, bob = await add_user(pool), await add_user(pool)
    hub = Hub(create_feed_reader(pool))
    with ExitStack() as stack:
        for _ in range(4):
            stack.enter_context(hub.open_listener(ada.id, ada.credential))
        with hub.open_listener(ada.id, ada.credential):
            with pytest.raises(Problem) as raised, hub.open_listener(ada.id, ada.credential):
                pass
            assert (raised.value.status, raised.value.slug) == (429, "too-many-streams")
            stack.enter_context(hub.open_listener(bob.id, bob.credential))
        stack.enter_context(hub.open_listener(ada.id, ada.credential))
        assert hub.stream_count == 6
    assert hub.stream_count == 0


async def test_slow_reader_is_dropped_without_affecting_others(pool):
    ada = await add_user(pool)
    hub = Hub(create_feed_reader(pool), StreamRules(sweep_interval=timedelta(hours=1), max_backlog_bytes=4000))
    with hub.open_listener(ada.id, ada.credential) as slow, hub.open_listener(ada.id, ada.credential) as quick:
        await start_listener(pool, slow)
        await start_listener(pool, quick)
        reader = StreamReader(quick)
        async with run_in_background(hub.run()):
            vehicle_id = None
            for level in range(20):
                vehicle_id, revision = await put_vehicle(pool, ada.id, vehicle_id, level=level)
                hub.request_delivery(frozenset([ada.id]))
                await reader.read_until_seq(revision)
        assert len(reader.events) == 20
        async with asyncio.timeout(5):
            assert await slow.receive() == b""


async def test_restored_database_ends_the_stream(pool):
    ada, bob = await add_user(pool), await add_user(pool)
    hub = Hub(create_feed_reader(pool), NO_SWEEP)
    with hub.open_listener(ada.id, ada.credential) as shorter, hub.open_listener(bob.id, bob.credential) as other:
        await put_vehicle(pool, ada.id)
        await start_listener(pool, shorter)
        await start_listener(pool, other)
        async with pool.connection() as connection:
            await connection.execute("update feeds set seq = 0 where user_id = %s", [ada.id])
            await connection.execute("update feeds set epoch = 'new', seq = 9 where user_id = %s", [bob.id])
        async with run_in_background(hub.run()):
            hub.request_delivery(None)
            assert await StreamReader(shorter).read_until_end() == []
            assert await StreamReader(other).read_until_end() == []


async def test_close_sends_queued_events_then_bye_and_refuses_new_streams(pool):
    ada = await add_user(pool)
    hub = Hub(create_feed_reader(pool))
    with (
        hub.open_listener(ada.id, ada.credential) as listener,
        hub.open_listener(ada.id, ada.credential) as unstarted,
    ):
        await start_listener(pool, listener)
        listener.send_message(AccountMessage(record={"id": "1"}))
        hub.close("restart", retry_after=3)
        hub.close("restart", retry_after=3)
        events = await StreamReader(listener).read_until_end()
        assert [event.name for event in events] == ["account", "bye"]
        assert events[1].data == {"reason": "restart", "retry_after": 3}
        await start_listener(pool, unstarted)
        assert [event.name for event in await StreamReader(unstarted).read_until_end()] == ["bye"]
        with pytest.raises(Problem) as raised, hub.open_listener(ada.id, ada.credential):
            pass
    assert (raised.value.status, raised.value.headers["Retry-After"]) == (503, "3")


async def test_hint_of_a_revocation_requests_a_recheck_of_those_streams_and_ends_none(pool):
    ada, bob = await add_user(pool), await add_user(pool)
    hub = Hub(create_feed_reader(pool))
    with (
        hub.open_listener(ada.id, ada.credential) as first,
        hub.open_listener(ada.id, uuid4()) as second,
        hub.open_listener(bob.id, bob.credential) as third,
    ):
        listeners = (first, second, third)
        for hint, requested in (
            (None, [False, False, False]),
            (frozenset([ada.credential]), [True, False, False]),
            (frozenset([ada.id, uuid4()]), [True, True, False]),
        ):
            hub.receive_revoked(hint)
            assert [listener._recheck_requested.is_set() for listener in listeners] == requested
        await first.wait_for_recheck(3600)
        assert not first._recheck_requested.is_set()
        await first.wait_for_recheck(0)
        for listener in listeners:
            await start_listener(pool, listener)
            listener.send_message(AccountMessage(record={}))
            assert [event.name for event in parse_events(await listener.receive())] == ["account"]


async def test_revocation_ends_only_streams_of_that_credential_or_user(pool):
    ada, bob = await add_user(pool), await add_user(pool)
    hub = Hub(create_feed_reader(pool))
    with (
        hub.open_listener(ada.id, ada.credential) as first,
        hub.open_listener(ada.id, uuid4()) as second,
        hub.open_listener(bob.id, bob.credential) as third,
    ):
        for listener in (first, second, third):
            await start_listener(pool, listener)
        hub.close_credential_streams(ada.credential)
        assert [event.data["reason"] for event in await StreamReader(first).read_until_end()] == ["revoked"]
        second.send_message(AccountMessage(record={}))
        hub.close_user_streams(ada.id)
        assert [event.name for event in await StreamReader(second).read_until_end()] == ["account", "bye"]
        third.send_message(AccountMessage(record={}))
        assert [event.name for event in parse_events(await third.receive())] == ["account"]


async def test_account_message_has_the_current_cursor_as_its_id(pool):
    ada = await add_user(pool)
    hub = Hub(create_feed_reader(pool), NO_SWEEP)
    with hub.open_listener(ada.id, ada.credential) as listener:
        cursor = await start_listener(pool, listener)
        listener.send_message(AccountMessage(record={"used": 1}))
        [event] = parse_events(await listener.receive())
    assert (event.name, event.id, event.data) == ("account", str(cursor), {"used": 1})


# Steps that can happen in any order: commits, hints, and streams that start in between; `read` lets the hub run.
STEPS = st.lists(
    st.sampled_from(["state", "state", "transition", "remove", "hint", "hint", "subscribe", "start", "read"]),
    max_size=25,
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS, inside=STEPS)
async def test_any_interleaving_delivers_all_transitions_and_the_newest_states_in_order(pool, steps, inside):
    """`steps` happen between the hub's queries, `inside` during one, right after the database has been read."""
    ada = await add_user(pool)
    first, _ = await put_vehicle(pool, ada.id, level=0)
    second, _ = await put_vehicle(pool, ada.id, level=0)
    feed = InterleavedFeed(pool, ada, vehicle_ids=[first, second], inside=list(inside))
    with ExitStack() as stack:
        feed.stack = stack
        async with run_in_background(feed.hub.run()):
            for step in steps:
                await feed.run_step(step)
            await feed.finish()
            for reader, cursor in feed.readers:
                await reader.read_until_seq(feed.last_seq)
                feed.check(reader.events, cursor)


class InterleavedFeed:
    def __init__(self, pool, user, *, vehicle_ids, inside):
        self.pool, self.user, self.vehicle_ids, self.inside = pool, user, vehicle_ids, inside
        self.level = 0
        self.committed = {}  # sequence number: (event, vehicle id, level)
        self.newest_seqs = {}  # vehicle id: sequence number of its newest state
        self.unstarted, self.readers = [], []
        self.last_seq = 0
        self.read = create_feed_reader(pool)
        self.hub = Hub(self.interrupted_read, StreamRules(sweep_interval=timedelta(hours=1), max_streams_per_user=99))

    async def interrupted_read(self, positions):
        changes = await self.read(positions)
        for _ in range(2):
            if self.inside:
                await self.run_step(self.inside.pop())
        return changes

    async def run_step(self, step):
        await getattr(self, f"_{step}")()

    async def _state(self):
        self.level += 1
        level, vehicle_id = self.level, self.vehicle_ids[self.level % len(self.vehicle_ids)]
        _, seq = await put_vehicle(self.pool, self.user.id, vehicle_id, level=level)
        self._record_commit(seq, "vehicle", vehicle_id, level)

    async def _transition(self):
        seq = await add_transition(self.pool, self.user.id, self.vehicle_ids[0])
        self._record_commit(seq, "transition", self.vehicle_ids[0], None)

    async def _remove(self):
        vehicle_id, seq = await put_vehicle(self.pool, self.user.id, level=-1)
        self._record_commit(seq, "vehicle", vehicle_id, -1)
        seq = await remove_vehicle(self.pool, self.user.id, vehicle_id)
        self._record_commit(seq, "vehicle_removed", vehicle_id, None)

    def _record_commit(self, seq, name, vehicle_id, level):
        self.committed[seq] = name, vehicle_id, level
        self.last_seq = max(self.last_seq, seq)
        if name != "transition":
            self.newest_seqs[vehicle_id] = max(seq, self.newest_seqs.get(vehicle_id, 0))

    async def _hint(self):
        self.hub.request_delivery(frozenset([self.user.id]))

    async def _subscribe(self):
        self.unstarted.append(self.stack.enter_context(self.hub.open_listener(self.user.id, self.user.credential)))

    async def _start(self):
        if self.unstarted:
            listener = self.unstarted.pop()
            cursor = await start_listener(self.pool, listener)
            self.readers.append((StreamReader(listener), cursor))

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

    def check(self, events, cursor):
        seqs = [event.seq for event in events]
        assert seqs == sorted(set(seqs))
        assert all(seq > cursor.seq for seq in seqs)
        for event in events:
            name, vehicle_id, level = self.committed[event.seq]
            assert event.name == name
            assert event.data.get("vehicle_id", event.data.get("id")) == str(vehicle_id)
            if name == "vehicle":
                assert event.data["vehicle"]["chargeState"]["batteryLevel"] == level
        # All transitions are delivered; of the states only the newest must be.
        transitions = {seq for seq, (name, *_) in self.committed.items() if name == "transition" and seq > cursor.seq}
        assert transitions <= set(seqs)
        assert {seq for seq in self.newest_seqs.values() if seq > cursor.seq} <= set(seqs)


@pytest.mark.parametrize(
    ("count", "longest"),
    [(0, None), (1, 2), (49, 2), (50, 2), (51, 3), (100, 3), (2000, 41), (4400, 89), (20_000, 89)],
)
def test_clients_come_back_evenly_and_before_they_would_poll(count, longest):
    delays = plan_reconnects(count, StreamRules(), shortest=2)
    assert len(delays) == count
    assert (min(delays, default=None), max(delays, default=None)) == (2 if count else None, longest)
    busiest = max(Counter(delays).values(), default=0)
    assert busiest <= max(StreamRules().reconnects_per_second, count / 88 + 1)


async def test_byes_of_many_streams_have_different_delays():
    hub = Hub(None)
    with ExitStack() as stack:
        listeners = [stack.enter_context(hub.open_listener(uuid4(), uuid4())) for _ in range(200)]
        for listener in listeners:
            listener.start(Cursor(epoch="e", seq=1))
        hub.close()
        byes = [parse_events(await listener.receive())[-1] for listener in listeners]
        delays = [bye.data["retry_after"] for bye in byes]
        assert Counter(delays) == {2: 50, 3: 50, 4: 50, 5: 50}
        assert delays != sorted(delays)
        refused = set()
        for _ in range(200):
            with pytest.raises(Problem) as raised, hub.open_listener(uuid4(), uuid4()):
                pass
            refused.add(raised.value.headers["Retry-After"])
        assert refused == {"2", "3", "4", "5"}
