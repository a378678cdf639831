"""Events that fail: retries, errors of the database, and events that are set aside."""

from collections import Counter
from datetime import timedelta

import psycopg
import pytest

from relay.inbox.models import StoredEvent
from relay.usecases.events.apply_enode_event import AppliedEvent
from relay.usecases.events.event_failures import RETRY_DELAYS
from tests.relay.support.draining import count_states, create_drainer, make_numbered_event
from tests.relay.support.enode_events import at, make_event


async def make_events_due(pipeline):
    await pipeline.execute("update webhook_logs set next_try_at = now() where state = 'pending'")


async def test_failing_event_is_attempted_five_times_and_blocks_no_other(pipeline, caplog):
    attempts = Counter()

    async def apply_event(connection, event: StoredEvent, *, vin_key):
        attempts[event.payload["n"]] += 1
        await connection.execute("update feeds set seq = seq + 1 where user_id = %s", [event.user_id])
        if event.payload["n"] == 1:
            raise ValueError("VIN 5YJ3E7EB1KF000001")
        if event.payload["n"] == 2:
            await connection.execute("select 1 / 0")
        return AppliedEvent()

    await pipeline.deliver(*(make_numbered_event(pipeline.user_id, n, n) for n in range(4)))
    drainer = create_drainer(pipeline, apply_event)
    for attempt in range(1, 7):
        await drainer.drain_once()
        for row in await pipeline.execute("select * from webhook_logs where state = 'pending'"):
            assert row["attempts"] == attempt
            assert row["next_try_at"] - row["created_at"] >= RETRY_DELAYS[attempt - 1]
        assert await drainer.drain_once() == 0
        await make_events_due(pipeline)
    assert attempts == {0: 1, 1: 5, 2: 5, 3: 1}
    assert await count_states(pipeline) == {
        ("done", None): 2,
        ("set_aside", "ValueError"): 1,
        ("set_aside", "DivisionByZero"): 1,
    }
    assert await pipeline.get_feed_seq() == 2  # the changes of failed events are rolled back
    assert "5YJ3E7EB1KF000001" not in caplog.text
    assert "test_event_failures.py:" in caplog.text


async def test_statement_timeout_counts_as_an_attempt(pipeline):
    async def apply_event(connection, event: StoredEvent, *, vin_key):
        if event.payload["n"] == 0:
            await connection.execute("set local statement_timeout = '20ms'")
            await connection.execute("select pg_sleep(5)")
        return AppliedEvent()

    await pipeline.deliver(*(make_numbered_event(pipeline.user_id, n, n) for n in range(2)))
    await create_drainer(pipeline, apply_event).drain_once()
    assert await count_states(pipeline) == {("pending", "QueryCanceled"): 1, ("done", None): 1}


async def test_deadlock_does_not_count_as_an_attempt(pipeline):
    async def apply_event(connection, event: StoredEvent, *, vin_key):
        raise psycopg.errors.DeadlockDetected

    await pipeline.deliver(make_numbered_event(pipeline.user_id, 0, 0))
    with pytest.raises(psycopg.errors.DeadlockDetected):
        await create_drainer(pipeline, apply_event).drain_once()
    (row,) = await pipeline.list_inbox_rows()
    assert (row["state"], row["attempts"]) == ("pending", 0)


@pytest.mark.parametrize(
    "malformed",
    [
        {"event": "user:vehicle:updated", "vehicle": None},
        {"event": "user:vehicle:updated", "vehicle": {"id": 5}},
        {"event": "user:vehicle:discovered"},
        {"event": "user:vehicle:deleted", "vehicle": {}},
        {"event": "user:credentials:invalidated", "vendor": None},
        {"event": "user:vendor-action:updated", "vendorAction": {"id": "x"}},
    ],
)
async def test_malformed_event_is_set_aside_at_once(pipeline, malformed):
    await pipeline.process(make_event("", at(0), pipeline.user_id) | malformed, pipeline.make_update("car", at(1)))
    assert await count_states(pipeline) == {("set_aside", "MalformedEventError"): 1, ("done", None): 1}


def test_retry_delays_increase():
    assert sorted(RETRY_DELAYS) == list(RETRY_DELAYS)
    assert len(RETRY_DELAYS) == 4
    assert RETRY_DELAYS[0] >= timedelta(seconds=5)
