"""The inbox as a queue: which events are due, and in which order."""

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from psycopg.rows import dict_row

from relay.inbox.models import EventOutcome
from relay.inbox.queue import (
    claim_due_events_without_user,
    ignore_events,
    list_due_events_of_user,
    list_users_with_due_events,
    record_outcomes,
)
from tests.relay.support.feed import add_user

NOON = datetime(2026, 11, 29, 12, tzinfo=UTC)
USER, OTHER = UUID(int=1), UUID(int=2)

INSERT = """
insert into webhook_logs (account_id, source, digest, event, user_id, payload, event_at, state, next_try_at, attempts)
values ('a', 'webhook', sha256(gen_random_uuid()::text::bytea), 'x', %s, %s::jsonb, %s, %s, now() + %s::interval, %s)
returning id
"""


async def add_event(pool, number, user_id=USER, *, at=NOON, state="pending", due_in="0 s", attempts=0):
    async with pool.connection() as connection:
        cursor = await connection.execute(INSERT, [user_id, str(number), at, state, due_in, attempts])
        return (await cursor.fetchone())[0]


async def list_numbers(pool, user_id=USER):
    async with pool.connection() as connection:
        if user_id is None:
            return [event.payload for event in await claim_due_events_without_user(connection)]
        return [event.payload for event in await list_due_events_of_user(connection, user_id)]


async def fetch_rows(pool):
    async with pool.connection() as connection, connection.cursor(row_factory=dict_row) as cursor:
        return {
            row["id"]: row for row in await (await cursor.execute("select *, now() as at from webhook_logs")).fetchall()
        }


@pytest.mark.parametrize("user_id", [USER, None])
async def test_events_are_ordered_by_time_then_by_number_of_arrival(pool, user_id):
    """The number is compared as a number: event 10 comes after event 9."""
    for number in range(2, 13):
        await add_event(pool, number, user_id)
    await add_event(pool, 1, user_id, at=NOON - timedelta(microseconds=1))
    await add_event(pool, 13, user_id, at=NOON + timedelta(microseconds=1))
    assert await list_numbers(pool, user_id) == list(range(1, 14))


@pytest.mark.parametrize("user_id", [USER, None])
async def test_only_pending_events_that_are_due_are_listed(pool, user_id):
    await add_event(pool, 1, user_id, due_in="-1 s")
    await add_event(pool, 2, user_id)
    await add_event(pool, 3, user_id, due_in="9 min", attempts=4)
    for state in ("done", "ignored", "set_aside"):
        await add_event(pool, 4, user_id, state=state)
    await add_event(pool, 5, OTHER)
    assert await list_numbers(pool, user_id) == [1, 2]


# Attempts, how far ahead the next one is, and whether that is further than the relay plans it.
@pytest.mark.parametrize(
    ("attempts", "due_in", "is_due"),
    [
        (0, "50 s", False),
        (0, "62 s", True),
        (1, "64 s", False),
        (1, "67 s", True),
        (3, "2 min 58 s", False),
        (3, "3 min 2 s", True),
        (4, "10 min 58 s", False),
        (4, "11 min 2 s", True),
        (5, "10 min 58 s", False),
        (5, "1 day", True),
        (0, "10 years", True),
    ],
)
@pytest.mark.parametrize("user_id", [USER, None])
async def test_event_that_waits_longer_than_any_retry_is_due(pool, user_id, attempts, due_in, is_due):
    """A clock that was ahead has been corrected."""
    await add_event(pool, 1, user_id, due_in=due_in, attempts=attempts)
    assert await list_numbers(pool, user_id) == [1] * is_due


@pytest.mark.parametrize("user_id", [USER, None])
async def test_at_most_a_hundred_events_are_listed_the_oldest_first(pool, user_id):
    for number in range(101, 0, -1):
        await add_event(pool, number, user_id, at=NOON + timedelta(seconds=number))
    assert await list_numbers(pool, user_id) == list(range(1, 101))


async def test_events_without_a_user_that_another_process_has_claimed_are_skipped(pool):
    for number in (1, 2):
        await add_event(pool, number, None)
    async with pool.connection() as connection, connection.transaction():
        assert len(await claim_due_events_without_user(connection)) == 2
        await add_event(pool, 3, None)
        assert await list_numbers(pool, None) == [3]
    assert await list_numbers(pool, None) == [1, 2, 3]


async def test_users_with_due_events_are_told_from_unknown_and_closed_ones(pool):
    ada, closed, idle, waiting = [(await add_user(pool)).id for _ in range(4)]
    unknown = uuid4()
    async with pool.connection() as connection:
        await connection.execute("update users set closed_at = now() where id = %s", [closed])
    for user_id in (ada, ada, closed, unknown, None):
        await add_event(pool, 1, user_id)
    await add_event(pool, 1, idle, state="done")
    await add_event(pool, 1, waiting, due_in="9 min", attempts=4)
    async with pool.connection() as connection:
        users = await list_users_with_due_events(connection)
    assert users.user_ids == [ada]
    assert set(users.unknown_user_ids) == {closed, unknown}


async def test_all_pending_events_of_the_named_users_are_ignored(pool):
    ignored = [await add_event(pool, 1), await add_event(pool, 2, due_in="1 hour")]
    others = [await add_event(pool, 3, OTHER), await add_event(pool, 4, state="done"), await add_event(pool, 5, None)]
    async with pool.connection() as connection:
        await ignore_events(connection, [USER], "unknown user")
    rows = await fetch_rows(pool)
    for event_id in ignored:
        assert (rows[event_id]["state"], rows[event_id]["reason"]) == ("ignored", "unknown user")
        assert rows[event_id]["settled_at"] is not None
    assert [rows[event_id]["state"] for event_id in others] == ["pending", "done", "pending"]


async def test_outcomes_are_stored_with_their_events(pool):
    done, retried, untouched = [await add_event(pool, number) for number in (1, 2, 3)]
    async with pool.connection() as connection:
        await record_outcomes(connection, [])
        await record_outcomes(
            connection,
            [
                EventOutcome(
                    event_id=retried, state="pending", attempts=3, reason="KeyError", retry_in=timedelta(minutes=2)
                ),
                EventOutcome(event_id=done, state="done", attempts=1),
            ],
        )
    rows = await fetch_rows(pool)
    assert [rows[done][name] for name in ("state", "attempts", "reason")] == ["done", 1, None]
    assert [rows[retried][name] for name in ("state", "attempts", "reason")] == ["pending", 3, "KeyError"]
    assert [rows[event_id]["settled_at"] is not None for event_id in (done, retried, untouched)] == [True, False, False]
    assert timedelta(minutes=1) < rows[retried]["next_try_at"] - rows[retried]["at"] <= timedelta(minutes=2)
    assert await list_numbers(pool) == [3]


async def test_replayed_event_is_marked(pool):
    event_id = await add_event(pool, 1)
    for replayed_at, expected in ((None, False), (NOON, True)):
        async with pool.connection() as connection:
            await connection.execute("update webhook_logs set replayed_at = %s", [replayed_at])
            [event] = await list_due_events_of_user(connection, USER)
        assert (event.id, event.replayed, event.attempts, event.name, event.user_id) == (
            event_id,
            expected,
            0,
            "x",
            USER,
        )
        assert (event.account_id, event.created_at, event.enode_vehicle_id) == ("a", NOON, None)
