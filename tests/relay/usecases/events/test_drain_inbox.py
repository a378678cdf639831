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
from tests.relay.support.enode_events import VIN_KEY, Pipeline, add_user, at, event, make_pipeline


@pytest.fixture
async def world(pool):
    return await make_pipeline(pool)


def drain_with(world, apply):
    return InboxDrainer(world.pool, wake=world.woken.extend, vin_key=VIN_KEY, apply_event=apply)


def numbered(user_id, seconds, n):
    return event("user:vehicle:updated", at(seconds), user_id, n=n)


async def states(world):
    return Counter((row["state"], row["reason"]) for row in await world.inbox_rows())


def kill(database_url, pid=None):
    """End one session, or all that the relay has."""
    with psycopg.connect(database_url, autocommit=True) as owner:
        owner.execute(
            "select pg_terminate_backend(pid, 5000) from pg_stat_activity "
            "where datname = current_database() and pid <> pg_backend_pid() and pid = coalesce(%s, pid)",
            [pid],
        )


async def make_due(world):
    await world.rows("update webhook_logs set next_try_at = now() where state = 'pending'")


async def test_events_are_acted_on_by_their_time_then_by_when_they_came(world):
    order = []

    async def note(connection, it: StoredEvent, *, vin_key):
        assert vin_key == VIN_KEY
        order.append(it.payload["n"])
        return AppliedEvent()

    await world.deliver(*(numbered(world.user_id, seconds, n) for n, seconds in enumerate([3, 1, 2, 1, 0])))
    assert await drain_with(world, note).drain_once() == 5
    assert order == [4, 1, 3, 2, 0]
    assert await states(world) == {("done", None): 5}


async def test_two_drains_at_once_keep_each_users_order_and_do_everything_once(world):
    users = [world.user_id, await add_user(world.pool), await add_user(world.pool)]
    batches = [
        [numbered(user, n, n) for n in range(start, start + 50)] for user in users for start in range(0, 250, 50)
    ]
    for batch in batches:
        await world.deliver(*batch)
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

    await asyncio.gather(*(drain_with(world, note).drain_once() for _ in range(4)))
    assert order == {user: list(range(250)) for user in users}
    assert most > 1
    assert await states(world) == {("done", None): 750}
    assert set(world.woken) == set(users)


async def test_a_poisonous_event_is_tried_five_times_and_stops_nobody(world, caplog):
    tries = Counter()

    async def apply(connection, it: StoredEvent, *, vin_key):
        tries[it.payload["n"]] += 1
        await connection.execute("update feeds set seq = seq + 1 where user_id = %s", [it.user_id])
        if it.payload["n"] == 1:
            raise ValueError("VIN 5YJ3E7EB1KF000001")
        if it.payload["n"] == 2:
            await connection.execute("select 1 / 0")
        return AppliedEvent()

    await world.deliver(*(numbered(world.user_id, n, n) for n in range(4)))
    drain = drain_with(world, apply)
    for attempt in range(1, 7):
        await drain.drain_once()
        for row in await world.rows("select * from webhook_logs where state = 'pending'"):
            assert row["attempts"] == attempt
            assert row["next_try_at"] - row["created_at"] >= RETRY_DELAYS[attempt - 1]
        assert await drain.drain_once() == 0
        await make_due(world)
    assert tries == {0: 1, 1: 5, 2: 5, 3: 1}
    assert await states(world) == {
        ("done", None): 2,
        ("set_aside", "ValueError"): 1,
        ("set_aside", "DivisionByZero"): 1,
    }
    assert await world.seq() == 2  # what a failed event had done is undone
    assert "5YJ3E7EB1KF000001" not in caplog.text
    assert "test_drain_inbox.py:" in caplog.text


async def test_a_statement_that_takes_too_long_is_the_event_s_own_fault(world):
    async def apply(connection, it: StoredEvent, *, vin_key):
        if it.payload["n"] == 0:
            await connection.execute("set local statement_timeout = '20ms'")
            await connection.execute("select pg_sleep(5)")
        return AppliedEvent()

    await world.deliver(*(numbered(world.user_id, n, n) for n in range(2)))
    await drain_with(world, apply).drain_once()
    assert await states(world) == {("pending", "QueryCanceled"): 1, ("done", None): 1}


async def test_a_worker_that_dies_between_claim_and_commit_leaves_all_to_the_next(world, database_url):
    died = []

    async def die_once(connection, it: StoredEvent, *, vin_key):
        applied = await apply_enode_event(connection, it, vin_key=vin_key)
        if it.created_at == at(2) and not died:
            died.append(it.id)
            kill(database_url, connection.info.backend_pid)
        return applied

    await world.deliver(*(world.update("car", at(n), charge={"batteryLevel": 50 + n}) for n in range(4)))
    drain = drain_with(world, die_once)
    with pytest.raises(psycopg.OperationalError):
        await drain.drain_once()
    assert await world.cars() == []
    assert {row["attempts"] for row in await world.inbox_rows()} == {0}
    assert world.woken == []
    assert await drain.drain_once() == 4
    assert (await world.car())["vehicle_cache"]["chargeState"]["batteryLevel"] == 53
    assert await world.seq() == 4
    assert world.woken == [world.user_id]


async def test_a_deadlock_is_no_try(world):
    async def apply(connection, it: StoredEvent, *, vin_key):
        raise psycopg.errors.DeadlockDetected

    await world.deliver(numbered(world.user_id, 0, 0))
    with pytest.raises(psycopg.errors.DeadlockDetected):
        await drain_with(world, apply).drain_once()
    (row,) = await world.inbox_rows()
    assert (row["state"], row["attempts"]) == ("pending", 0)


async def test_what_is_about_nobody_of_ours_is_ignored_and_what_is_about_the_subscription_is_noted(world):
    await world.rows(
        "insert into webhook_subscriptions (account_id, enode_webhook_id, url, events, secret_digest, is_active)"
        " values ('ours', 'w', 'https://x', '{*}', '', true)"
    )
    closed = await add_user(world.pool)
    await world.rows("update users set closed_at = now() where id = %s", closed)
    await world.happen(
        event("system:heartbeat", at(5), None, pendingEvents=0),
        event("enode:webhook:test", at(3), None),
        world.update("car", at(0)) | {"user": {"id": str(closed)}},
        world.update("car", at(0)) | {"user": {"id": "00000000-0000-4000-8000-000000000000"}},
        world.update("car", at(0)) | {"user": {"id": "ha-user-7f3a"}},
        event("user:vehicle:sold", at(0), world.user_id),
        event("user:charger:updated", at(0), world.user_id),
    )
    assert await states(world) == {
        ("done", None): 3,
        ("ignored", "unknown user"): 3,
        ("ignored", "unknown event"): 1,
    }
    assert await world.rows("select last_success from webhook_subscriptions") == [{"last_success": at(5)}]
    assert await world.rows("select * from vehicles") == []


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
async def test_an_event_without_what_its_name_promises_is_set_aside_at_once(world, broken):
    await world.happen(event("", at(0), world.user_id) | broken, world.update("car", at(1)))
    assert await states(world) == {("set_aside", "MalformedEventError"): 1, ("done", None): 1}


async def test_running_it_drains_on_hints_and_sweeps_up_what_nobody_hinted_at(world: Pipeline):
    world.drain.add_hint([world.user_id])
    await world.deliver(world.update("unhinted", at(0), vin=None))
    running = asyncio.create_task(world.drain.run())
    try:
        async with asyncio.timeout(10):
            while len(world.woken) < 1:
                await asyncio.sleep(0.01)
            await world.deliver(world.update("car", at(0)))
            world.drain.add_hint(frozenset(world.to_drain))
            while len(world.woken) < 2:
                await asyncio.sleep(0.01)
            await world.deliver(world.update("third", at(0), vin=None))
            world.drain.add_hint(None)
            while len(world.woken) < 3:
                await asyncio.sleep(0.01)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    assert len(await world.cars()) == 3


async def test_running_it_outlives_connections_that_die(world: Pipeline, database_url):
    running = asyncio.create_task(world.drain.run())
    try:
        async with asyncio.timeout(20):
            kill(database_url)
            while not world.to_drain:  # as Enode does
                with suppress(psycopg.OperationalError):
                    await world.deliver(world.update("car", at(0)))
            world.drain.add_hint([world.user_id])
            while not world.woken:
                await asyncio.sleep(0.01)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    assert len(await world.cars()) == 1


async def test_who_is_turned_away_by_a_lock_is_drained_by_its_holder(world):
    started, go_on, applied = asyncio.Event(), asyncio.Event(), []

    async def slow(connection, it: StoredEvent, *, vin_key):
        started.set()
        await go_on.wait()
        applied.append(it.payload["n"])
        return AppliedEvent()

    await world.deliver(numbered(world.user_id, 0, 0))
    holder = asyncio.create_task(drain_with(world, slow).drain_once())
    await started.wait()
    await world.deliver(numbered(world.user_id, 1, 1))
    assert await drain_with(world, slow).drain_once() == 0
    go_on.set()
    assert await holder == 2
    assert applied == [0, 1]


def test_the_waits_grow():
    assert sorted(RETRY_DELAYS) == list(RETRY_DELAYS)
    assert len(RETRY_DELAYS) == 4
    assert RETRY_DELAYS[0] >= timedelta(seconds=5)
