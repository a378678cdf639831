"""Corrections, smart charging and the former name of actions, from the event to what is shown."""

from uuid import uuid4

import pytest

from relay.usecases.feed.reader import read_snapshot
from tests.relay.support.enode_events import CHARGING, at, format_time, make_event, make_pipeline, make_vehicle

FULL = {"batteryLevel": 80, "chargeLimit": 80, "isFullyCharged": True}


@pytest.fixture
async def pipeline(pool):
    return await make_pipeline(pool)


async def shown(pipeline):
    async with pipeline.pool.connection() as connection:
        (record,) = (await read_snapshot(connection, pipeline.user_id)).vehicles
    return record


async def xpeng(pipeline, seconds, **groups):
    await pipeline.process_update("car", at(seconds), vendor="XPENG", **groups)


async def test_a_full_xpeng_is_shown_plugged_in_while_the_raw_state_stays(pipeline):
    await xpeng(pipeline, 0, charge=CHARGING)
    await xpeng(pipeline, 60, charge=FULL)
    record, row = await shown(pipeline), await pipeline.get_vehicle()
    assert record["vehicle"]["chargeState"]["powerDeliveryState"] == "PLUGGED_IN:COMPLETE"
    assert record["corrections"] == ["powerDeliveryState:held"]
    assert row["vehicle_cache"]["chargeState"]["powerDeliveryState"] == "UNPLUGGED"
    assert await pipeline.list_transition_kinds() == ["charging_completed"]


async def test_it_is_unplugged_when_it_drives_off(pipeline):
    await xpeng(pipeline, 0, charge=CHARGING)
    await xpeng(pipeline, 60, charge=FULL)
    gone = make_vehicle("car", at(60), vendor="XPENG", charge=FULL)
    gone["odometer"] = {"distance": 48215, "lastUpdated": format_time(at(7000))}
    await pipeline.process(make_event("user:vehicle:updated", at(7000), pipeline.user_id, vehicle=gone))
    record = await shown(pipeline)
    assert (record["corrections"], record["vehicle"]["chargeState"]["isPluggedIn"]) == ([], False)
    rows = await pipeline.execute("select kind, occurred_at from transitions order by seq")
    assert [row["kind"] for row in rows] == ["charging_completed", "unplugged"]
    assert rows[1]["occurred_at"] == at(7000)  # not when it last spoke of its cable


async def test_a_flipping_flag_makes_no_transition_and_no_noise(pipeline):
    stopped = {"isPluggedIn": True, "isCharging": False, "powerDeliveryState": "PLUGGED_IN:STOPPED"}
    await pipeline.process_update("car", at(0), charge=stopped)
    await pipeline.process_update("car", at(60), charge=stopped | {"isCharging": True})
    assert await pipeline.list_transition_kinds() == []
    record = await shown(pipeline)
    assert record["vehicle"]["chargeState"]["isCharging"] is False
    assert record["corrections"] == ["isCharging:powerDeliveryState"]


async def test_a_car_without_a_fault_is_shown_as_it_is(pipeline):
    await pipeline.process_update("car", at(0), charge=CHARGING)
    row = await pipeline.get_vehicle()
    assert (row["corrected"], row["corrections"], row["correction_memory"]) == ({}, [], {})
    assert (await shown(pipeline))["vehicle"] == row["vehicle_cache"]


def status(pipeline, seconds, state, *, car="car", **members):
    body = {
        "vehicleId": car,
        "state": state,
        "updatedAt": format_time(at(seconds)),
        "stateChangedAt": format_time(at(seconds - 1)),
    }
    return make_event(
        "user:vehicle:smart-charging-status-updated", at(seconds), pipeline.user_id, smartChargingStatus=body | members
    )


async def test_smart_charging_is_kept_on_the_car_newest_wins_without_a_transition(pipeline):
    await pipeline.process_update("car", at(0))
    seq = await pipeline.get_feed_seq()
    await pipeline.process(status(pipeline, 20, "PLAN:EXECUTING:STARTED"))
    await pipeline.process(status(pipeline, 10, "CONSIDERING"))
    record = await shown(pipeline)
    assert record["smart_charging"] == {"state": "PLAN:EXECUTING:STARTED", "since": format_time(at(19))}
    assert record["revision"] == await pipeline.get_feed_seq() == seq + 1
    assert await pipeline.list_transition_kinds() == []
    await pipeline.process_update("car", at(30))
    assert (await shown(pipeline))["smart_charging"]["state"] == "PLAN:EXECUTING:STARTED"


async def test_smart_charging_of_a_car_that_is_not_known_or_not_theirs_changes_nothing(pipeline):
    other = await make_pipeline(pipeline.pool)
    await other.process_update("theirs", at(0))
    await pipeline.process(
        status(pipeline, 10, "CONSIDERING", car="nobody"), status(pipeline, 10, "CONSIDERING", car="theirs")
    )
    states = [(row["state"], row["reason"]) for row in await pipeline.list_inbox_rows()]
    assert states[1:] == [("done", None), ("ignored", "vehicle of another user")]
    assert (await shown(other))["smart_charging"] is None


async def test_a_smart_charging_status_without_a_state_is_set_aside(pipeline):
    await pipeline.process_update("car", at(0))
    await pipeline.process(status(pipeline, 10, None))
    assert [row["state"] for row in await pipeline.list_inbox_rows()] == ["done", "set_aside"]


def action(pipeline, seconds, state, **members):
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


async def sending(pipeline, kind, amps=None):
    car, command_id = await pipeline.get_vehicle(), uuid4()
    await pipeline.execute(
        "insert into commands (id, user_id, vehicle_id, kind, amps, requested_at) values (%s, %s, %s, %s, %s, %s)",
        *(command_id, pipeline.user_id, car["id"], kind, amps, at(0)),
    )
    return command_id


async def state_of(pipeline, command_id):
    (row,) = await pipeline.execute("select state from commands where id = %s", command_id)
    return row["state"]


async def test_an_action_under_its_former_name_counts_and_without_one_says_nothing(pipeline):
    await pipeline.process_update("car", at(0))
    command_id = await sending(pipeline, "START")
    await pipeline.process(make_event("user:charge-action:updated", at(5), pipeline.user_id))
    assert await state_of(pipeline, command_id) == "sending"
    told = action(pipeline, 10, "CONFIRMED", kind="START")
    await pipeline.process(make_event("user:charge-action:updated", at(10), pipeline.user_id, vendorAction=told))
    assert await state_of(pipeline, command_id) == "confirmed"
    assert {row["state"] for row in await pipeline.list_inbox_rows()} == {"done"}


async def test_an_action_on_the_current_settles_the_command_that_asked_for_so_much(pipeline):
    await pipeline.process_update("car", at(0))
    wanted, other = await sending(pipeline, "MAX_CURRENT", 16), await sending(pipeline, "MAX_CURRENT", 8)
    told = action(pipeline, 10, "CONFIRMED", targetState={"maxCurrent": 16})
    await pipeline.process(make_event("user:vendor-action:updated", at(10), pipeline.user_id, vendorAction=told))
    assert (await state_of(pipeline, wanted), await state_of(pipeline, other)) == ("confirmed", "sending")
