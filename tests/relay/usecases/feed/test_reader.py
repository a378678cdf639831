from uuid import uuid4

import pytest
from psycopg.rows import dict_row

from relay.feed.cursor import MAX_REPLAYED_TRANSITIONS, Cursor
from relay.feed.messages import TransitionMessage, VehicleMessage, VehicleRemovedMessage
from relay.kit.problems import Problem
from relay.usecases.feed.reader import read_changes, read_snapshot
from relay.vehicles.records import VehicleRecord, render_command_record
from tests.relay.support.feed import add_transition, add_user, fetch_value, put_vehicle, remove_vehicle


@pytest.fixture
async def ada(pool):
    return await add_user(pool)


@pytest.fixture
def snapshot(pool, ada):
    async def read(since=None):
        async with pool.connection() as connection:
            return await read_snapshot(connection, ada.id, since)

    return read


@pytest.fixture
def changes(pool):
    async def read(cursors):
        async with pool.connection() as connection:
            return await read_changes(connection, cursors)

    return read


async def test_snapshot_has_all_linked_vehicles_of_the_user(pool, ada, snapshot):
    linked, _ = await put_vehicle(pool, ada.id, level=41, corrections=["odometer"])
    unlinked, _ = await put_vehicle(pool, ada.id)
    last = await remove_vehicle(pool, ada.id, unlinked)
    await put_vehicle(pool, (await add_user(pool)).id)
    result = await snapshot()
    assert [vehicle["id"] for vehicle in result.vehicles] == [str(linked)]
    [record] = result.vehicles
    assert set(record) == set(VehicleRecord.__annotations__)
    assert (record["revision"], record["corrections"], record["command"]) == (1, ["odometer"], None)
    assert record["link"]["state"] == "ok"
    assert record["link"]["since"].endswith("Z")
    assert record["vehicle"]["chargeState"] == {"batteryLevel": 41}
    assert result.cursor.seq == last
    assert not result.gap
    assert result.replay == []


async def test_user_without_vehicles_has_an_empty_snapshot(snapshot):
    result = await snapshot()
    assert (result.vehicles, result.cursor.seq, result.gap) == ([], 0, False)


async def test_snapshot_of_a_deleted_user_is_unauthorized(pool):
    async with pool.connection() as connection:
        with pytest.raises(Problem) as raised:
            await read_snapshot(connection, uuid4())
    assert raised.value.status == 401


async def test_vehicle_record_has_its_newest_command(pool, ada, snapshot):
    vehicle_id, _ = await put_vehicle(pool, ada.id)
    async with pool.connection() as connection:
        add = (
            "insert into commands (user_id, vehicle_id, kind, state, reason, requested_at, settled_at)"
            " values (%s, %s, %s, %s, %s::jsonb, %s::timestamptz, %s::timestamptz) returning id"
        )
        at = "2026-11-23 20:00:00.5+00"
        await fetch_value(connection, add, ada.id, vehicle_id, "START", "confirmed", None, "2026-11-23 19:00:00+00", at)
        newest = await fetch_value(
            connection, add, ada.id, vehicle_id, "STOP", "failed", '{"type": "X", "detail": "no"}', at, at
        )
    [record] = (await snapshot()).vehicles
    assert record["command"] == {
        "id": str(newest),
        "vehicle_id": str(vehicle_id),
        "kind": "STOP",
        "amps": None,
        "state": "failed",
        "reason": {"type": "X", "detail": "no"},
        "requested_at": "2026-11-23T20:00:00.500Z",
        "settled_at": "2026-11-23T20:00:00.500Z",
    }


async def test_open_command_has_no_settled_at(pool, ada):
    vehicle_id, _ = await put_vehicle(pool, ada.id)
    async with pool.connection() as connection:
        await connection.execute(
            "insert into commands (user_id, vehicle_id, kind) values (%s, %s, 'START')", [ada.id, vehicle_id]
        )
        cursor = connection.cursor(row_factory=dict_row)
        await cursor.execute("select * from commands")
        record = render_command_record(await cursor.fetchone())
    assert (record["state"], record["settled_at"], record["reason"]) == ("sending", None, None)


async def test_vehicle_over_the_limit_is_listed_without_state(pool, ada, snapshot, changes):
    vehicle_id, _ = await put_vehicle(pool, ada.id, link_state="over_limit", corrections=["odometer"])
    await add_transition(pool, ada.id, vehicle_id)
    result = await snapshot(Cursor(epoch=(await snapshot()).cursor.epoch, seq=0))
    [record] = result.vehicles
    assert record["link"]["state"] == "over_limit"
    assert record["vehicle"] == {
        "vendor": "TESLA",
        "information": {"brand": "Tesla", "model": "Y", "year": 2024, "displayName": "Red"},
    }
    assert (record["corrections"], record["command"], result.replay) == ([], None, [])
    changes_read = (await changes({ada.id: 0}))[ada.id]
    assert [message.record for message in changes_read.messages] == [record]
    assert changes_read.end_cursor == result.cursor


async def test_snapshot_replays_transitions_after_the_cursor(pool, ada, snapshot):
    vehicle_id, _ = await put_vehicle(pool, ada.id)
    await add_transition(pool, ada.id, vehicle_id, "plugged_in")
    since = (await snapshot()).cursor
    second = await add_transition(pool, ada.id, vehicle_id, "charging_started", age="23 hours")
    third = await add_transition(pool, ada.id, vehicle_id, "charging_stopped")
    result = await snapshot(since)
    assert [(transition.seq, transition.kind, transition.replayed) for transition in result.replay] == [
        (second, "charging_started", True),
        (third, "charging_stopped", True),
    ]
    assert not result.gap


async def test_transitions_that_are_not_live_are_never_sent(pool, ada, snapshot, changes):
    """They come from a replay of old events."""
    vehicle_id, _ = await put_vehicle(pool, ada.id)
    old, live = [await add_transition(pool, ada.id, vehicle_id, kind) for kind in ("unplugged", "plugged_in")]
    async with pool.connection() as connection:
        await connection.execute("update transitions set live = seq <> %s", [old])
    cursor = (await snapshot()).cursor
    assert [each.seq for each in (await snapshot(Cursor(epoch=cursor.epoch, seq=old - 1))).replay] == [live]
    assert [each.seq for each in (await changes({ada.id: old - 1}))[ada.id].messages] == [live]


async def test_old_cursor_without_missed_transitions_leaves_no_gap(pool, ada, snapshot):
    vehicle_id, _ = await put_vehicle(pool, ada.id)
    await add_transition(pool, ada.id, vehicle_id, age="3 days")
    since = (await snapshot()).cursor
    await put_vehicle(pool, ada.id, vehicle_id)
    result = await snapshot(since)
    assert (result.gap, result.replay) == (False, [])


async def test_transitions_older_than_the_replay_window_leave_a_gap(pool, ada, snapshot):
    vehicle_id, _ = await put_vehicle(pool, ada.id)
    since = (await snapshot()).cursor
    await add_transition(pool, ada.id, vehicle_id, age="25 hours")
    recent = await add_transition(pool, ada.id, vehicle_id, age="1 hour")
    result = await snapshot(since)
    assert result.gap
    assert [transition.seq for transition in result.replay] == [recent]


@pytest.mark.parametrize("too_many", [1, 3])
async def test_replay_is_limited_to_the_newest_and_then_leaves_a_gap(pool, ada, snapshot, too_many):
    last = MAX_REPLAYED_TRANSITIONS + 1 + too_many
    vehicle_id, _ = await put_vehicle(pool, ada.id)
    since = (await snapshot()).cursor
    async with pool.connection() as connection:
        await connection.execute(
            "insert into transitions (user_id, seq, vehicle_id, kind, occurred_at)"
            " select %s, n, %s, 'unplugged', now() from generate_series(2, %s) n",
            [ada.id, vehicle_id, last],
        )
        await connection.execute("update feeds set seq = %s", [last])
    result = await snapshot(since)
    assert result.gap
    assert [transition.seq for transition in result.replay] == list(range(2 + too_many, last + 1))


@pytest.mark.parametrize("case", ["epoch", "ahead", "malformed"])
async def test_invalid_cursor_leaves_a_gap_and_replays_nothing(pool, ada, snapshot, case):
    vehicle_id, _ = await put_vehicle(pool, ada.id)
    await add_transition(pool, ada.id, vehicle_id)
    current = (await snapshot()).cursor
    invalid_cursors = {
        "epoch": Cursor(epoch="another", seq=0),
        "ahead": Cursor(epoch=current.epoch, seq=current.seq + 1),
        "malformed": Cursor(epoch="", seq=0),
    }
    result = await snapshot(invalid_cursors[case])
    assert (result.gap, result.replay) == (True, [])


async def test_changes_of_several_users_are_read_in_order_after_their_positions(pool, ada, changes):
    bob, cid = await add_user(pool), await add_user(pool)
    vehicle_id, first = await put_vehicle(pool, ada.id, level=1)
    transition_seq = await add_transition(pool, ada.id, vehicle_id, "plugged_in")
    _, newest = await put_vehicle(pool, ada.id, vehicle_id, level=2)
    bobs_vehicle, bobs_seq = await put_vehicle(pool, bob.id)
    removal_seq = await remove_vehicle(pool, bob.id, bobs_vehicle, "unlinked")
    changes_by_user = await changes({ada.id: first, bob.id: bobs_seq, cid.id: 0, uuid4(): 0})
    assert set(changes_by_user) == {ada.id, bob.id}
    transition, vehicle = changes_by_user[ada.id].messages
    assert isinstance(transition, TransitionMessage)
    assert (transition.seq, transition.vehicle_id, transition.replayed) == (transition_seq, vehicle_id, False)
    assert isinstance(vehicle, VehicleMessage)
    assert (vehicle.seq, vehicle.record["vehicle"]["chargeState"]["batteryLevel"]) == (newest, 2)
    assert changes_by_user[ada.id].end_cursor.seq == newest
    assert list(changes_by_user[bob.id].messages) == [
        VehicleRemovedMessage(seq=removal_seq, vehicle_id=bobs_vehicle, reason="unlinked")
    ]


async def test_transition_precedes_vehicle_of_the_same_sequence_number(pool, ada, changes):
    # A client that loses the connection after the transition resumes after both; the snapshot has the state anyway.
    vehicle_id, revision = await put_vehicle(pool, ada.id)
    async with pool.connection() as connection:
        await connection.execute(
            "insert into transitions (user_id, seq, vehicle_id, kind, occurred_at) values (%s, %s, %s, 'x', now())",
            [ada.id, revision, vehicle_id],
        )
    user_changes = (await changes({ada.id: 0}))[ada.id]
    assert [message.event for message in user_changes.messages] == ["transition", "vehicle"]


async def test_sequence_numbers_without_messages_advance_the_end_cursor(pool, ada, changes):
    async with pool.connection() as connection:
        await connection.execute("update feeds set seq = 5 where user_id = %s", [ada.id])
    user_changes = (await changes({ada.id: 2}))[ada.id]
    assert (user_changes.end_cursor.seq, list(user_changes.messages)) == (5, [])
    assert await changes({ada.id: 5}) == {}
