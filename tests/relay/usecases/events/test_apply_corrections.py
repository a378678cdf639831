"""Corrections, smart charging and the former event name of actions, from the event to the vehicle record."""

from uuid import uuid4

import pytest

from relay.usecases.feed.reader import read_snapshot
from tests.relay.support.enode_events import CHARGING, at, format_time, make_event, make_pipeline, make_vehicle

NEARLY_FULL = CHARGING | {"batteryLevel": 79}
FULL = {"batteryLevel": 80, "chargeLimit": 80, "isFullyCharged": True}


async def get_record(pipeline):
    async with pipeline.pool.connection() as connection:
        (record,) = (await read_snapshot(connection, pipeline.user_id)).vehicles
    return record


async def process_xpeng_update(pipeline, seconds, **groups):
    await pipeline.process_update("car", at(seconds), vendor="XPENG", **groups)


async def test_full_xpeng_is_corrected_to_plugged_in_and_raw_state_is_kept(pipeline):
    await process_xpeng_update(pipeline, 0, charge=NEARLY_FULL)
    await process_xpeng_update(pipeline, 60, charge=FULL)
    record, row = await get_record(pipeline), await pipeline.get_vehicle()
    assert record["vehicle"]["chargeState"]["powerDeliveryState"] == "PLUGGED_IN:COMPLETE"
    assert record["corrections"] == ["powerDeliveryState:held"]
    assert row["vehicle_cache"]["chargeState"]["powerDeliveryState"] == "UNPLUGGED"
    assert await pipeline.list_transition_kinds() == ["charging_completed"]


async def test_full_xpeng_is_unplugged_once_it_has_driven(pipeline):
    await process_xpeng_update(pipeline, 0, charge=NEARLY_FULL)
    await process_xpeng_update(pipeline, 60, charge=FULL)
    driven = make_vehicle("car", at(60), vendor="XPENG", charge=FULL)
    driven["odometer"] = {"distance": 48215, "lastUpdated": format_time(at(7000))}
    await pipeline.process(make_event("user:vehicle:updated", at(7000), pipeline.user_id, vehicle=driven))
    record = await get_record(pipeline)
    assert (record["corrections"], record["vehicle"]["chargeState"]["isPluggedIn"]) == ([], False)
    rows = await pipeline.execute("select kind, occurred_at from transitions order by seq")
    assert [row["kind"] for row in rows] == ["charging_completed", "unplugged"]
    assert rows[1]["occurred_at"] == at(7000)  # not the time of the last plug state


async def test_contradictory_flag_is_corrected_without_a_transition(pipeline):
    stopped = {"isPluggedIn": True, "isCharging": False, "powerDeliveryState": "PLUGGED_IN:STOPPED"}
    await pipeline.process_update("car", at(0), charge=stopped)
    await pipeline.process_update("car", at(60), charge=stopped | {"isCharging": True})
    assert await pipeline.list_transition_kinds() == []
    record = await get_record(pipeline)
    assert record["vehicle"]["chargeState"]["isCharging"] is False
    assert record["corrections"] == ["isCharging:powerDeliveryState"]


async def test_consistent_state_is_not_corrected(pipeline):
    await pipeline.process_update("car", at(0), charge=CHARGING)
    row = await pipeline.get_vehicle()
    assert (row["corrected"], row["corrections"]) == ({}, [])
    assert (await get_record(pipeline))["vehicle"] == row["vehicle_cache"]


def make_smart_charging_event(pipeline, seconds, state, *, enode_id="car", **members):
    body = {
        "vehicleId": enode_id,
        "state": state,
        "updatedAt": format_time(at(seconds)),
        "stateChangedAt": format_time(at(seconds - 1)),
    }
    return make_event(
        "user:vehicle:smart-charging-status-updated", at(seconds), pipeline.user_id, smartChargingStatus=body | members
    )


async def test_newest_smart_charging_state_wins_without_a_transition(pipeline):
    await pipeline.process_update("car", at(0))
    seq = await pipeline.get_feed_seq()
    await pipeline.process(make_smart_charging_event(pipeline, 20, "PLAN:EXECUTING:STARTED"))
    await pipeline.process(make_smart_charging_event(pipeline, 10, "CONSIDERING"))
    record = await get_record(pipeline)
    assert record["smart_charging"] == {"state": "PLAN:EXECUTING:STARTED", "since": format_time(at(19))}
    assert record["revision"] == await pipeline.get_feed_seq() == seq + 1
    assert await pipeline.list_transition_kinds() == []
    await pipeline.process_update("car", at(30))
    assert (await get_record(pipeline))["smart_charging"]["state"] == "PLAN:EXECUTING:STARTED"


PLAN = {
    "id": "p",
    "currency": "EUR",
    "nonSmartCost": 17.2,
    "smartCost": 12.8,
    "stopAt": "2026-11-25T18:00:00Z",
    "startAt": "2026-11-26T01:00:00Z",
    "estimatedFinishAt": "2026-11-26T05:00:00Z",
    "endedAt": None,
}


async def test_plan_and_override_are_in_the_record(pipeline):
    await pipeline.process_update("car", at(0))
    override = {"createdAt": "2026-11-25T18:30:00Z", "endedAt": None}
    event = make_smart_charging_event(pipeline, 20, "PLAN:EXECUTING:OVERRIDDEN", plan=PLAN, smartOverride=override)
    await pipeline.process(event)
    smart_charging = (await get_record(pipeline))["smart_charging"]
    assert smart_charging["overridden"] is True
    assert smart_charging["plan"] == {
        "stop_at": "2026-11-25T18:00:00.000Z",
        "start_at": "2026-11-26T01:00:00.000Z",
        "estimated_finish_at": "2026-11-26T05:00:00.000Z",
        "ended_at": None,
        "currency": "EUR",
        "cost": 12.8,
        "cost_without_plan": 17.2,
    }
    seq = await pipeline.get_feed_seq()
    later = PLAN | {"startAt": "2026-11-26T02:00:00Z"}
    ended = override | {"endedAt": "2026-11-25T18:40:00Z"}
    await pipeline.process(
        make_smart_charging_event(pipeline, 30, "PLAN:EXECUTING:OVERRIDDEN", plan=later, smartOverride=ended)
    )
    smart_charging = (await get_record(pipeline))["smart_charging"]
    assert (smart_charging["plan"]["start_at"], "overridden" in smart_charging) == ("2026-11-26T02:00:00.000Z", False)
    assert await pipeline.get_feed_seq() == seq + 1


@pytest.mark.parametrize(
    ("member", "value", "name"),
    [
        ("startAt", "tomorrow", "start_at"),
        ("stopAt", 7, "stop_at"),
        ("currency", "x" * 1000, "currency"),
        ("smartCost", "much", "cost"),
    ],
)
async def test_odd_member_of_a_plan_is_null(pipeline, member, value, name):
    await pipeline.process_update("car", at(0))
    await pipeline.process(make_smart_charging_event(pipeline, 20, "CONSIDERING", plan=PLAN | {member: value}))
    assert (await get_record(pipeline))["smart_charging"]["plan"][name] is None


async def test_smart_charging_of_unknown_and_foreign_vehicles_is_ignored(pipeline):
    other = await make_pipeline(pipeline.pool)
    await other.process_update("theirs", at(0))
    await pipeline.process(
        make_smart_charging_event(pipeline, 10, "CONSIDERING", enode_id="nobody"),
        make_smart_charging_event(pipeline, 10, "CONSIDERING", enode_id="theirs"),
    )
    states = [(row["state"], row["reason"]) for row in await pipeline.list_inbox_rows()]
    assert states[1:] == [("done", None), ("ignored", "vehicle of another user")]
    assert (await get_record(other))["smart_charging"] is None


async def test_smart_charging_event_without_a_state_is_set_aside(pipeline):
    await pipeline.process_update("car", at(0))
    await pipeline.process(make_smart_charging_event(pipeline, 10, None))
    assert [row["state"] for row in await pipeline.list_inbox_rows()] == ["done", "set_aside"]


def make_action(pipeline, seconds, state, **members):
    return {
        "id": "7d6d0b0e-3f5c-4a1a-9f6e-5b0e7a4f2c10",
        "userId": str(pipeline.user_id),
        "createdAt": format_time(at(0)),
        "updatedAt": format_time(at(seconds)),
        "completedAt": format_time(at(seconds)),
        "state": state,
        "targetId": "car",
        "targetType": "vehicle",
        "failureReason": None,
    } | members


async def add_command(pipeline, kind, amps=None):
    vehicle, command_id = await pipeline.get_vehicle(), uuid4()
    await pipeline.execute(
        "insert into commands (id, user_id, vehicle_id, kind, amps, requested_at) values (%s, %s, %s, %s, %s, %s)",
        *(command_id, pipeline.user_id, vehicle["id"], kind, amps, at(0)),
    )
    return command_id


async def get_state(pipeline, command_id):
    (row,) = await pipeline.execute("select state from commands where id = %s", command_id)
    return row["state"]


async def test_former_event_name_of_an_action_is_handled_if_it_has_an_action(pipeline):
    await pipeline.process_update("car", at(0))
    command_id = await add_command(pipeline, "START")
    await pipeline.process(make_event("user:charge-action:updated", at(5), pipeline.user_id))
    assert await get_state(pipeline, command_id) == "sending"
    action = make_action(pipeline, 10, "CONFIRMED", kind="START")
    await pipeline.process(make_event("user:charge-action:updated", at(10), pipeline.user_id, vendorAction=action))
    assert await get_state(pipeline, command_id) == "confirmed"
    assert {row["state"] for row in await pipeline.list_inbox_rows()} == {"done"}


async def test_max_current_action_settles_the_command_with_the_same_amps(pipeline):
    await pipeline.process_update("car", at(0))
    command_id, other = await add_command(pipeline, "MAX_CURRENT", 16), await add_command(pipeline, "MAX_CURRENT", 8)
    action = make_action(pipeline, 10, "CONFIRMED", targetState={"maxCurrent": 16})
    await pipeline.process(make_event("user:vendor-action:updated", at(10), pipeline.user_id, vendorAction=action))
    assert (await get_state(pipeline, command_id), await get_state(pipeline, other)) == ("confirmed", "sending")
