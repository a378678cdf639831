"""The drain on a real database: order, poison, death, many workers."""

import asyncio
from collections import Counter
from contextlib import suppress
from datetime import timedelta

import psycopg
import pytest

from relay.inbox.models import StoredEvent
from relay.usecases.events.apply_enode_event import AppliedEvent, apply_enode_event
from relay.usecases.events.drain_inbox import RETRY_DELAYS, InboxDrainer
from tests.relay.support.enode_events import VIN_KEY, Pipeline, add_user, at, make_event, make_pipeline


@pytest.fixture
async def pipeline(pool):
    return await make_pipeline(pool)


def drain_with(pipeline, apply):
    return InboxDrainer(pipeline.pool, wake=pipeline.feed_wakes.extend, vin_key=VIN_KEY, apply_event=apply)


def numbered(user_id, seconds, n):
    return make_event("user:vehicle:updated", at(seconds), user_id, n=n)


async def states(pipeline):
    return Counter((row["state"], row["reason"]) for row in await pipeline.list_inbox_rows())


def kill(database_url, pid=None):
    """End one session, or all that the relay has."""
    with psycopg.connect(database_url, autocommit=True) as owner:
        owner.execute(
            "select pg_terminate_backend(pid, 5000) from pg_stat_activity "
            "where datname = current_database() and pid <> pg_backend_pid() and pid = coalesce(%s, pid)",
            [pid],
        )


async def make_due(pipeline):
    await pipeline.execute("update webhook_logs set next_try_at = now() where state = 'pending'")


async def test_events_are_acted_on_by_their_time_then_by_when_they_came(pipeline):
    order = []

    async def note(connection, it: StoredEvent, *, vin_key):
        assert vin_key == VIN_KEY
        order.append(it.payload["n"])
        return AppliedEvent()

    await pipeline.deliver(*(numbered(pipeline.user_id, seconds, n) for n, seconds in enumerate([3, 1, 2, 1, 0])))
    assert await drain_with(pipeline, note).drain_once() == 5
    assert order == [4, 1, 3, 2, 0]
    assert await states(pipeline) == {("done", None): 5}


async def test_two_drains_at_once_keep_each_users_order_and_do_everything_once(pipeline):
    users = [pipeline.user_id, await add_user(pipeline.pool), await add_user(pipeline.pool)]
    batches = [
        [numbered(user, n, n) for n in range(start, start + 50)] for user in users for start in range(0, 250, 50)
    ]
    for batch in batches:
        await pipeline.deliver(*batch)
    order, at_work, most = {user: [] for user in users}, Counter(), 0

    async def note(connection, it: StoredEvent, *, vin_key):
        nonlocal most
        at_work[it.user_id] += 1
        assert at_work[it.user_id] == 1
        most = max(most, sum(at_work.values()))
        await connection.execute("select pg_sleep(0.0005)")
        order[it.user_id].append(it.payload["n"])
        at_work[it.user_id] -= 1
        return AppliedEvent(has_updates=True)

    await asyncio.gather(*(drain_with(pipeline, note).drain_once() for _ in range(4)))
    assert order == {user: list(range(250)) for user in users}
    assert most > 1
    assert await states(pipeline) == {("done", None): 750}
    assert set(pipeline.feed_wakes) == set(users)


async def test_a_poisonous_event_is_tried_five_times_and_stops_nobody(pipeline, caplog):
    tries = Counter()

    async def apply(connection, it: StoredEvent, *, vin_key):
        tries[it.payload["n"]] += 1
        await connection.execute("update feeds set seq = seq + 1 where user_id = %s", [it.user_id])
        if it.payload["n"] == 1:
            raise ValueError("VIN 5YJ3E7EB1KF000001")
        if it.payload["n"] == 2:
            await connection.execute("select 1 / 0")
        return AppliedEvent()

    await pipeline.deliver(*(numbered(pipeline.user_id, n, n) for n in range(4)))
    drain = drain_with(pipeline, apply)
    for attempt in range(1, 7):
        await drain.drain_once()
        for row in await pipeline.execute("select * from webhook_logs where state = 'pending'"):
            assert row["attempts"] == attempt
            assert row["next_try_at"] - row["created_at"] >= RETRY_DELAYS[attempt - 1]
        assert await drain.drain_once() == 0
        await make_due(pipeline)
    assert tries == {0: 1, 1: 5, 2: 5, 3: 1}
    assert await states(pipeline) == {
        ("done", None): 2,
        ("set_aside", "ValueError"): 1,
        ("set_aside", "DivisionByZero"): 1,
    }
    assert await pipeline.get_feed_seq() == 2  # what a failed event had done is undone
    assert "5YJ3E7EB1KF000001" not in caplog.text
    assert "test_drain_inbox.py:" in caplog.text


async def test_a_statement_that_takes_too_long_is_the_event_s_own_fault(pipeline):
    async def apply(connection, it: StoredEvent, *, vin_key):
        if it.payload["n"] == 0:
            await connection.execute("set local statement_timeout = '20ms'")
            await connection.execute("select pg_sleep(5)")
        return AppliedEvent()

    await pipeline.deliver(*(numbered(pipeline.user_id, n, n) for n in range(2)))
    await drain_with(pipeline, apply).drain_once()
    assert await states(pipeline) == {("pending", "QueryCanceled"): 1, ("done", None): 1}


async def test_a_worker_that_dies_between_claim_and_commit_leaves_all_to_the_next(pipeline, database_url):
    died = []

    async def die_once(connection, it: StoredEvent, *, vin_key):
        applied = await apply_enode_event(connection, it, vin_key=vin_key)
        if it.created_at == at(2) and not died:
            died.append(it.id)
            kill(database_url, connection.info.backend_pid)
        return applied

    await pipeline.deliver(*(pipeline.make_update("car", at(n), charge={"batteryLevel": 50 + n}) for n in range(4)))
    drain = drain_with(pipeline, die_once)
    with pytest.raises(psycopg.OperationalError):
        await drain.drain_once()
    assert await pipeline.list_vehicles() == []
    assert {row["attempts"] for row in await pipeline.list_inbox_rows()} == {0}
    assert pipeline.feed_wakes == []
    assert await drain.drain_once() == 4
    assert (await pipeline.get_vehicle())["vehicle_cache"]["chargeState"]["batteryLevel"] == 53
    assert await pipeline.get_feed_seq() == 4
    assert pipeline.feed_wakes == [pipeline.user_id]


async def test_a_deadlock_is_no_try(pipeline):
    async def apply(connection, it: StoredEvent, *, vin_key):
        raise psycopg.errors.DeadlockDetected

    await pipeline.deliver(numbered(pipeline.user_id, 0, 0))
    with pytest.raises(psycopg.errors.DeadlockDetected):
        await drain_with(pipeline, apply).drain_once()
    (row,) = await pipeline.list_inbox_rows()
    assert (row["state"], row["attempts"]) == ("pending", 0)


async def test_what_is_about_nobody_of_ours_is_ignored_and_what_is_about_the_subscription_is_noted(pipeline):
    await pipeline.execute(
        "insert into webhook_subscriptions (account_id, enode_webhook_id, url, events, secret_digest, is_active)"
        " values ('ours', 'w', 'https://x', '{*}', '', true)"
    )
    closed = await add_user(pipeline.pool)
    await pipeline.execute("update users set closed_at = now() where id = %s", closed)
    await pipeline.process(
        make_event("system:heartbeat", at(5), None, pendingEvents=0),
        make_event("enode:webhook:test", at(3), None),
        pipeline.make_update("car", at(0)) | {"user": {"id": str(closed)}},
        pipeline.make_update("car", at(0)) | {"user": {"id": "00000000-0000-4000-8000-000000000000"}},
        pipeline.make_update("car", at(0)) | {"user": {"id": "ha-user-7f3a"}},
        make_event("user:vehicle:sold", at(0), pipeline.user_id),
        make_event("user:charger:updated", at(0), pipeline.user_id),
    )
    assert await states(pipeline) == {
        ("done", None): 3,
        ("ignored", "unknown user"): 3,
        ("ignored", "unknown event"): 1,
    }
    assert await pipeline.execute("select last_success from webhook_subscriptions") == [{"last_success": at(5)}]
    assert await pipeline.execute("select * from vehicles") == []


@pytest.mark.parametrize(
    "broken",
    [
        {"event": "user:vehicle:updated", "vehicle": None},
        {"event": "user:vehicle:updated", "vehicle": {"id": 5}},
        {"event": "user:vehicle:discovered"},
        {"event": "user:vehicle:deleted", "vehicle": {}},
        {"event": "user:credentials:invalidated", "vendor": None},
        {"event": "user:vendor-action:updated", "vendorAction": {"id": "x"}},
    ],
)
async def test_an_event_without_what_its_name_promises_is_set_aside_at_once(pipeline, broken):
    await pipeline.process(make_event("", at(0), pipeline.user_id) | broken, pipeline.make_update("car", at(1)))
    assert await states(pipeline) == {("set_aside", "MalformedEventError"): 1, ("done", None): 1}


async def test_running_it_drains_on_hints_and_sweeps_up_what_nobody_hinted_at(pipeline: Pipeline):
    pipeline.drainer.add_hint([pipeline.user_id])
    await pipeline.deliver(pipeline.make_update("unhinted", at(0), vin=None))
    running = asyncio.create_task(pipeline.drainer.run())
    try:
        async with asyncio.timeout(10):
            while len(pipeline.feed_wakes) < 1:
                await asyncio.sleep(0.01)
            await pipeline.deliver(pipeline.make_update("car", at(0)))
            pipeline.drainer.add_hint(frozenset(pipeline.inbox_wakes))
            while len(pipeline.feed_wakes) < 2:
                await asyncio.sleep(0.01)
            await pipeline.deliver(pipeline.make_update("third", at(0), vin=None))
            pipeline.drainer.add_hint(None)
            while len(pipeline.feed_wakes) < 3:
                await asyncio.sleep(0.01)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    assert len(await pipeline.list_vehicles()) == 3


async def test_running_it_outlives_connections_that_die(pipeline: Pipeline, database_url):
    running = asyncio.create_task(pipeline.drainer.run())
    try:
        async with asyncio.timeout(20):
            kill(database_url)
            while not pipeline.inbox_wakes:  # as Enode does
                with suppress(psycopg.OperationalError):
                    await pipeline.deliver(pipeline.make_update("car", at(0)))
            pipeline.drainer.add_hint([pipeline.user_id])
            while not pipeline.feed_wakes:
                await asyncio.sleep(0.01)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    assert len(await pipeline.list_vehicles()) == 1


async def test_who_is_turned_away_by_a_lock_is_drained_by_its_holder(pipeline):
    started, go_on, applied = asyncio.Event(), asyncio.Event(), []

    async def slow(connection, it: StoredEvent, *, vin_key):
        started.set()
        await go_on.wait()
        applied.append(it.payload["n"])
        return AppliedEvent()

    await pipeline.deliver(numbered(pipeline.user_id, 0, 0))
    holder = asyncio.create_task(drain_with(pipeline, slow).drain_once())
    await started.wait()
    await pipeline.deliver(numbered(pipeline.user_id, 1, 1))
    assert await drain_with(pipeline, slow).drain_once() == 0
    go_on.set()
    assert await holder == 2
    assert applied == [0, 1]


def test_the_waits_grow():
    assert sorted(RETRY_DELAYS) == list(RETRY_DELAYS)
    assert len(RETRY_DELAYS) == 4
    assert RETRY_DELAYS[0] >= timedelta(seconds=5)
