"""The inbox drainer on a real database: order, lost connections, concurrent workers, hints."""

import asyncio
from collections import Counter
from contextlib import suppress

import psycopg
import pytest

from relay.inbox.models import StoredEvent
from relay.usecases.events.apply_enode_event import AppliedEvent, apply_enode_event
from tests.relay.support.draining import count_states, create_drainer, make_numbered_event
from tests.relay.support.enode_events import VIN_KEY, Pipeline, add_user, at, make_event


def terminate_sessions(database_url, pid=None):
    """Terminate one session of the relay, or all of them."""
    with psycopg.connect(database_url, autocommit=True) as owner:
        owner.execute(
            "select pg_terminate_backend(pid, 5000) from pg_stat_activity "
            "where datname = current_database() and pid <> pg_backend_pid() and pid = coalesce(%s, pid)",
            [pid],
        )


async def test_events_are_processed_by_time_and_then_by_arrival(pipeline):
    order = []

    async def record_event(connection, event: StoredEvent, *, vin_key):
        assert vin_key == VIN_KEY
        order.append(event.payload["n"])
        return AppliedEvent()

    await pipeline.deliver(
        *(make_numbered_event(pipeline.user_id, seconds, n) for n, seconds in enumerate([3, 1, 2, 1, 0]))
    )
    assert await create_drainer(pipeline, record_event).drain_once() == 5
    assert order == [4, 1, 3, 2, 0]
    assert await count_states(pipeline) == {("done", None): 5}


async def test_concurrent_drainers_keep_each_users_order_and_process_events_once(pipeline):
    users = [pipeline.user_id, await add_user(pipeline.pool), await add_user(pipeline.pool)]
    batches = [
        [make_numbered_event(user, n, n) for n in range(start, start + 50)]
        for user in users
        for start in range(0, 250, 50)
    ]
    for batch in batches:
        await pipeline.deliver(*batch)
    order, in_progress, max_in_progress = {user: [] for user in users}, Counter(), 0

    async def record_event(connection, event: StoredEvent, *, vin_key):
        nonlocal max_in_progress
        in_progress[event.user_id] += 1
        assert in_progress[event.user_id] == 1
        max_in_progress = max(max_in_progress, sum(in_progress.values()))
        await connection.execute("select pg_sleep(0.0005)")
        order[event.user_id].append(event.payload["n"])
        in_progress[event.user_id] -= 1
        return AppliedEvent(has_updates=True)

    await asyncio.gather(*(create_drainer(pipeline, record_event).drain_once() for _ in range(4)))
    assert order == {user: list(range(250)) for user in users}
    assert max_in_progress > 1
    assert await count_states(pipeline) == {("done", None): 750}
    assert set(pipeline.feed_wakes) == set(users)


async def test_events_of_a_worker_that_dies_before_commit_are_processed_again(pipeline, database_url):
    terminated_by = []

    async def apply_and_die_once(connection, event: StoredEvent, *, vin_key):
        applied = await apply_enode_event(connection, event, vin_key=vin_key)
        if event.created_at == at(2) and not terminated_by:
            terminated_by.append(event.id)
            terminate_sessions(database_url, connection.info.backend_pid)
        return applied

    await pipeline.deliver(*(pipeline.make_update("car", at(n), charge={"batteryLevel": 50 + n}) for n in range(4)))
    drainer = create_drainer(pipeline, apply_and_die_once)
    with pytest.raises(psycopg.OperationalError):
        await drainer.drain_once()
    assert await pipeline.list_vehicles() == []
    assert {row["attempts"] for row in await pipeline.list_inbox_rows()} == {0}
    assert pipeline.feed_wakes == []
    assert await drainer.drain_once() == 4
    assert (await pipeline.get_vehicle())["vehicle_cache"]["chargeState"]["batteryLevel"] == 53
    assert await pipeline.get_feed_seq() == 4
    assert pipeline.feed_wakes == [pipeline.user_id]


async def test_unknown_users_and_events_are_ignored_and_heartbeats_are_recorded(pipeline):
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
    assert await count_states(pipeline) == {
        ("done", None): 3,
        ("ignored", "unknown user"): 3,
        ("ignored", "unknown event"): 1,
    }
    assert await pipeline.execute("select last_success from webhook_subscriptions") == [{"last_success": at(5)}]
    assert await pipeline.execute("select * from vehicles") == []


async def test_running_drainer_processes_hinted_and_unhinted_events(pipeline: Pipeline):
    pipeline.drainer.add_hint([pipeline.user_id])
    await pipeline.deliver(pipeline.make_update("unhinted", at(0), vin=None))
    task = asyncio.create_task(pipeline.drainer.run())
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
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert len(await pipeline.list_vehicles()) == 3


async def test_running_drainer_survives_lost_connections(pipeline: Pipeline, database_url):
    task = asyncio.create_task(pipeline.drainer.run())
    try:
        async with asyncio.timeout(20):
            terminate_sessions(database_url)
            while not pipeline.inbox_wakes:  # Enode retries too
                with suppress(psycopg.OperationalError):
                    await pipeline.deliver(pipeline.make_update("car", at(0)))
            pipeline.drainer.add_hint([pipeline.user_id])
            while not pipeline.feed_wakes:
                await asyncio.sleep(0.01)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert len(await pipeline.list_vehicles()) == 1


async def test_lock_holder_processes_events_that_arrive_meanwhile(pipeline):
    started, may_continue, applied = asyncio.Event(), asyncio.Event(), []

    async def apply_when_allowed(connection, event: StoredEvent, *, vin_key):
        started.set()
        await may_continue.wait()
        applied.append(event.payload["n"])
        return AppliedEvent()

    await pipeline.deliver(make_numbered_event(pipeline.user_id, 0, 0))
    holder = asyncio.create_task(create_drainer(pipeline, apply_when_allowed).drain_once())
    await started.wait()
    await pipeline.deliver(make_numbered_event(pipeline.user_id, 1, 1))
    assert await create_drainer(pipeline, apply_when_allowed).drain_once() == 0
    may_continue.set()
    assert await holder == 2
    assert applied == [0, 1]
