"""Corrections, smart charging and the former name of actions, from the event to what is shown."""

from uuid import uuid4

import pytest

from relay.usecases.feed.reader import read_snapshot
from tests.relay.support.enode_events import CHARGING, at, event, make_pipeline, vehicle, wire

FULL = {"batteryLevel": 80, "chargeLimit": 80, "isFullyCharged": True}


@pytest.fixture
async def world(pool):
    return await make_pipeline(pool)


async def shown(world):
    async with world.pool.connection() as connection:
        (record,) = (await read_snapshot(connection, world.user_id)).vehicles
    return record


async def xpeng(world, seconds, **groups):
    await world.updated("car", at(seconds), vendor="XPENG", **groups)


async def test_a_full_xpeng_is_shown_plugged_in_while_the_raw_state_stays(world):
    await xpeng(world, 0, charge=CHARGING)
    await xpeng(world, 60, charge=FULL)
    record, row = await shown(world), await world.car()
    assert record["vehicle"]["chargeState"]["powerDeliveryState"] == "PLUGGED_IN:COMPLETE"
    assert record["corrections"] == ["powerDeliveryState:held"]
    assert row["vehicle_cache"]["chargeState"]["powerDeliveryState"] == "UNPLUGGED"
    assert await world.transitions() == ["charging_completed"]


async def test_it_is_unplugged_when_it_drives_off(world):
    await xpeng(world, 0, charge=CHARGING)
    await xpeng(world, 60, charge=FULL)
    gone = vehicle("car", at(60), vendor="XPENG", charge=FULL)
    gone["odometer"] = {"distance": 48215, "lastUpdated": wire(at(7000))}
    await world.happen(event("user:vehicle:updated", at(7000), world.user_id, vehicle=gone))
    record = await shown(world)
    assert (record["corrections"], record["vehicle"]["chargeState"]["isPluggedIn"]) == ([], False)
    rows = await world.rows("select kind, occurred_at from transitions order by seq")
    assert [row["kind"] for row in rows] == ["charging_completed", "unplugged"]
    assert rows[1]["occurred_at"] == at(7000)  # not when it last spoke of its cable


async def test_a_flipping_flag_makes_no_transition_and_no_noise(world):
    stopped = {"isPluggedIn": True, "isCharging": False, "powerDeliveryState": "PLUGGED_IN:STOPPED"}
    await world.updated("car", at(0), charge=stopped)
    await world.updated("car", at(60), charge=stopped | {"isCharging": True})
    assert await world.transitions() == []
    record = await shown(world)
    assert record["vehicle"]["chargeState"]["isCharging"] is False
    assert record["corrections"] == ["isCharging:powerDeliveryState"]


async def test_a_car_without_a_fault_is_shown_as_it_is(world):
    await world.updated("car", at(0), charge=CHARGING)
    row = await world.car()
    assert (row["corrected"], row["corrections"], row["correction_memory"]) == ({}, [], {})
    assert (await shown(world))["vehicle"] == row["vehicle_cache"]


def status(world, seconds, state, *, car="car", **members):
    body = {"vehicleId": car, "state": state, "updatedAt": wire(at(seconds)), "stateChangedAt": wire(at(seconds - 1))}
    return event(
        "user:vehicle:smart-charging-status-updated", at(seconds), world.user_id, smartChargingStatus=body | members
    )


async def test_smart_charging_is_kept_on_the_car_newest_wins_without_a_transition(world):
    await world.updated("car", at(0))
    seq = await world.seq()
    await world.happen(status(world, 20, "PLAN:EXECUTING:STARTED"))
    await world.happen(status(world, 10, "CONSIDERING"))
    record = await shown(world)
    assert record["smart_charging"] == {"state": "PLAN:EXECUTING:STARTED", "since": wire(at(19))}
    assert record["revision"] == await world.seq() == seq + 1
    assert await world.transitions() == []
    await world.updated("car", at(30))
    assert (await shown(world))["smart_charging"]["state"] == "PLAN:EXECUTING:STARTED"


async def test_smart_charging_of_a_car_that_is_not_known_or_not_theirs_changes_nothing(world):
    other = await make_pipeline(world.pool)
    await other.updated("theirs", at(0))
    await world.happen(status(world, 10, "CONSIDERING", car="nobody"), status(world, 10, "CONSIDERING", car="theirs"))
    states = [(row["state"], row["reason"]) for row in await world.inbox_rows()]
    assert states[1:] == [("done", None), ("ignored", "vehicle of another user")]
    assert (await shown(other))["smart_charging"] is None


async def test_a_smart_charging_status_without_a_state_is_set_aside(world):
    await world.updated("car", at(0))
    await world.happen(status(world, 10, None))
    assert [row["state"] for row in await world.inbox_rows()] == ["done", "set_aside"]


def action(world, seconds, state, **members):
    return {
        "id": "7d6d0b0e-3f5c-4a1a-9f6e-5b0e7a4f2c10",
        "userId": str(world.user_id),
        "createdAt": wire(at(0)),
        "updatedAt": wire(at(seconds)),
        "completedAt": wire(at(seconds)),
        "state": state,
        "targetId": "car",
        "targetType": "vehicle",
        "failureReason": None,
    } | members


async def sending(world, kind, amps=None):
    car, command_id = await world.car(), uuid4()
    await world.rows(
        "insert into commands (id, user_id, vehicle_id, kind, amps, requested_at) values (%s, %s, %s, %s, %s, %s)",
        *(command_id, world.user_id, car["id"], kind, amps, at(0)),
    )
    return command_id


async def state_of(world, command_id):
    (row,) = await world.rows("select state from commands where id = %s", command_id)
    return row["state"]


async def test_an_action_under_its_former_name_counts_and_without_one_says_nothing(world):
    await world.updated("car", at(0))
    command_id = await sending(world, "START")
    await world.happen(event("user:charge-action:updated", at(5), world.user_id))
    assert await state_of(world, command_id) == "sending"
    told = action(world, 10, "CONFIRMED", kind="START")
    await world.happen(event("user:charge-action:updated", at(10), world.user_id, vendorAction=told))
    assert await state_of(world, command_id) == "confirmed"
    assert {row["state"] for row in await world.inbox_rows()} == {"done"}


async def test_an_action_on_the_current_settles_the_command_that_asked_for_so_much(world):
    await world.updated("car", at(0))
    wanted, other = await sending(world, "MAX_CURRENT", 16), await sending(world, "MAX_CURRENT", 8)
    told = action(world, 10, "CONFIRMED", targetState={"maxCurrent": 16})
    await world.happen(event("user:vendor-action:updated", at(10), world.user_id, vendorAction=told))
    assert (await state_of(world, wanted), await state_of(world, other)) == ("confirmed", "sending")
