"""Odd values in every member of Enode's objects: they cost that member only. Through the whole path, on PostgreSQL."""

import json
from itertools import batched

import pytest

from relay.kit.json_object import JsonObject
from relay.streams.sse import MAX_LINE_BYTES
from relay.usecases.feed.reader import read_snapshot
from relay.vehicles.merge import merge_report
from relay.vehicles.models import VehicleReport, VehicleState
from relay.vehicles.object_limits import limit_members
from tests.relay.support.enode_events import NOON, at, format_time, make_event

TIME = format_time(NOON)
CAPABILITY = {"isCapable": True, "interventionIds": ["5e1a"]}
VEHICLE: JsonObject = {
    "vendor": "TESLA",
    "lastSeen": TIME,
    "isReachable": True,
    "information": {"vin": None, "brand": "Tesla", "model": "Model 3", "year": 2022, "displayName": "Ada"},
    "chargeState": {
        "batteryLevel": 57,
        "range": 241,
        "isPluggedIn": True,
        "isCharging": True,
        "isFullyCharged": False,
        "batteryCapacity": 75,
        "chargeLimit": 90,
        "chargeRate": 7.2,
        "chargeTimeRemaining": 100,
        "lastUpdated": TIME,
        "maxCurrent": 16,
        "powerDeliveryState": "PLUGGED_IN:CHARGING",
        "pluggedInChargerId": None,
    },
    "smartChargingPolicy": {"isEnabled": False, "deadline": None, "minimumChargeLimit": 0},
    "location": {"id": None, "latitude": 52.1, "longitude": 5.1, "lastUpdated": TIME},
    "odometer": {"distance": 48213, "lastUpdated": TIME},
    "capabilities": {"information": CAPABILITY, "startCharging": CAPABILITY, "setMaxCurrent": CAPABILITY},
    "scopes": ["vehicle:read:data"],
}
GROUPS = [name for name, value in VEHICLE.items() if isinstance(value, dict)]
DEEP: list[object] = []
for _ in range(900):
    DEEP = [DEEP]
ODD_VALUES = [
    None,
    True,
    False,
    0,
    -1,
    1.5,
    -1e308,
    10**400,
    "",
    "maybe",
    "true",
    "UNKNOWN",
    "57",
    "\u2028\U0001f697",
    "x" * 20_000,
    "0001-01-01T00:00:00+23:59",
    "9999-12-31T23:59:59Z",
    [],
    [None],
    [[], {}, "x", 1],
    ["x" * 10_000] * 3,
    {},
    {"a": None},
    {"interventionIds": "x", "isCapable": "no"},
    {"interventionIds": [1, None, ["y"], "z" * 5000]},
    {"lastUpdated": 5},
    {f"k{n}": n for n in range(2000)},
    DEEP,
]


def list_variants(name):
    """The vehicle with each odd value in place of this member, and of each member of it."""
    for odd in ODD_VALUES:
        yield (name,), VEHICLE | {name: odd}
        for leaf in [*VEHICLE[name], "addedLater"] if name in GROUPS else []:
            yield (name, leaf), VEHICLE | {name: VEHICLE[name] | {leaf: odd}}


def renew(vehicle, time):
    """The vehicle as reported at this time."""
    renewed = {"lastUpdated": format_time(time)}
    groups = {name: vehicle[name] | renewed for name in ("chargeState", "location", "odometer")}
    return vehicle | {"lastSeen": format_time(time)} | groups


def drop(vehicle, path):
    """The vehicle without this member, and without the id."""
    rest = {key: value for key, value in vehicle.items() if key != "id"}
    name, *leaf = path
    if leaf:
        return rest | {name: {key: value for key, value in rest[name].items() if key != leaf[0]}}
    rest.pop(name, None)
    return rest


async def fetch_state(pipeline):
    [row] = await pipeline.execute("select vehicle_cache, online from vehicles")
    return row["vehicle_cache"], row["online"]


@pytest.mark.parametrize("name", [*VEHICLE, "addedLater"])
async def test_event_with_an_odd_member_is_applied(pipeline, name):
    """All of them to one vehicle, and a good one after each batch."""
    variants = [vehicle for _, vehicle in list_variants(name)]
    for numbers in batched(range(len(variants)), 40, strict=False):
        good = renew(VEHICLE, at(numbers[-1] + 0.5))
        vehicles = {n: variants[n] for n in numbers} | {numbers[-1] + 0.5: good}
        events = [
            make_event("user:vehicle:updated", at(n), pipeline.user_id, vehicle={"id": "car", **vehicle})
            for n, vehicle in vehicles.items()
        ]
        await pipeline.process(*events)
        state, online = await fetch_state(pipeline)
        assert (drop(state, ("addedLater",)), online) == (good, True)
        async with pipeline.pool.connection() as connection:
            [record] = (await read_snapshot(connection, pipeline.user_id)).vehicles
        assert len(json.dumps(record, allow_nan=False)) < MAX_LINE_BYTES
    outcomes = await pipeline.execute("select state, reason, count(*) as n from webhook_logs group by state, reason")
    assert [(row["state"], row["reason"]) for row in outcomes] == [("done", None)]


@pytest.mark.parametrize(("odd", "online"), [(True, True), (False, False), *((odd, None) for odd in ODD_VALUES[3:])])
async def test_odd_value_is_an_unknown_reachability(pipeline, odd, online):
    await pipeline.process_update("car", at(0), isReachable=odd)
    assert (await fetch_state(pipeline))[1] is online


@pytest.mark.parametrize("name", [*VEHICLE, "addedLater"])
def test_odd_value_costs_that_member_only(name):
    for path, vehicle in list_variants(name):
        report = VehicleReport(enode_vehicle_id="car", created_at=NOON, event_id=1, vehicle=limit_members(vehicle))
        assert drop(merge_report(VehicleState(), report).groups, path) == drop(vehicle, path)


ACTION: JsonObject = {
    "id": "a1",
    "userId": "u1",
    "targetId": "car",
    "targetType": "vehicle",
    "kind": "START",
    "state": "FAILED",
    "createdAt": TIME,
    "updatedAt": TIME,
    "completedAt": TIME,
    "targetState": {"maxCurrent": 16},
    "failureReason": {"type": "NO_RESPONSE", "detail": "The car did not answer."},
}
REQUIRED = {"id", "userId", "targetId", "state"}
"""Without one of these, an event is about no action. It is set aside at once."""


@pytest.mark.parametrize(
    "path", [*((name,) for name in ACTION), *(("failureReason", key) for key in ("type", "detail"))]
)
async def test_odd_member_of_an_action_costs_that_member_only(pipeline, path):
    await pipeline.process_update("car", at(0))
    await pipeline.execute(
        "insert into commands (user_id, vehicle_id, kind, state, enode_action_id, idempotency_key) "
        "select user_id, id, 'START', 'pending', 'a1', 'k' from vehicles"
    )
    for n, odd in enumerate(ODD_VALUES):
        name, *leaf = path
        action = ACTION | {name: {**ACTION[name], leaf[0]: odd} if leaf else odd}
        await pipeline.deliver(
            make_event("user:vendor-action:updated", at(n), pipeline.user_id, vendorAction=action, n=n)
        )
    await pipeline.drainer.drain_once()
    rows = await pipeline.execute("select distinct state, reason from webhook_logs order by state")
    outcomes = {(row["state"], row["reason"]) for row in rows}
    assert outcomes <= {("done", None), ("set_aside", "MalformedEventError")}
    assert (len(outcomes) == 1) is (name not in REQUIRED)
    [command] = await pipeline.execute("select state, reason from commands")
    if name not in REQUIRED:
        assert command["state"] == "failed"
        assert len(json.dumps(command["reason"])) < 2000


@pytest.mark.parametrize("member", ["user", "vehicle", "version", "updatedFields", "addedLater"])
async def test_odd_member_of_an_event_stops_no_other_event(pipeline, member):
    event = pipeline.make_update("car", at(0))
    await pipeline.process(*[event | {member: odd, "n": n} for n, odd in enumerate(ODD_VALUES)])
    await pipeline.process_update("car", at(100), charge={"batteryLevel": 77})
    state, _ = await fetch_state(pipeline)
    assert state["chargeState"]["batteryLevel"] == 77
    rows = await pipeline.execute("select distinct state, reason from webhook_logs")
    assert {(row["state"], row["reason"]) for row in rows} <= {
        ("done", None),
        ("ignored", "unknown user"),
        ("set_aside", "MalformedEventError"),
    }


@pytest.mark.parametrize("length", [501, 3000, 100_000])
async def test_vehicle_id_that_no_index_can_hold_is_set_aside_at_once(pipeline, length):
    await pipeline.process(pipeline.make_update("x" * length, at(0)), pipeline.make_update("car", at(1)))
    rows = await pipeline.list_inbox_rows()
    assert [(row["state"], row["attempts"]) for row in rows] == [("set_aside", 1), ("done", 1)]


async def test_state_stays_small_whatever_members_reports_name(pipeline):
    for batch in range(4):
        members = {f"member{batch}-{n}": "x" * 8000 for n in range(5)}
        await pipeline.process_update("car", at(batch), **members)
    state, _ = await fetch_state(pipeline)
    assert len(json.dumps(state)) < 70_000
    assert state.keys() >= {"chargeState", "location", "odometer", "information", "scopes"}
    await pipeline.process_update("car", at(9), charge={"batteryLevel": 12})
    assert (await fetch_state(pipeline))[0]["chargeState"]["batteryLevel"] == 12
    [versions] = await pipeline.execute("select versions -> 'groups' as groups from vehicles")
    assert versions["groups"].keys() == state.keys()
