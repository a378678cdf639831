"""Each member of the relay's messages is read from its own key, and missing ones have their promised default."""

from datetime import UTC, datetime, time
from typing import Any

import pytest
from relay_double import make_account, make_record

from custom_components.evconduit.client import (
    Account,
    Allowance,
    Capabilities,
    Capability,
    ChargingSession,
    Command,
    CommandKind,
    CommandReason,
    CommandState,
    Endpoint,
    EndpointState,
    EnergyCounters,
    Intervention,
    JsonObject,
    JsonReader,
    LinkState,
    PowerDeliveryState,
    SmartChargingSettings,
    SmartChargingStatus,
    Snapshot,
    TotalCost,
    Transition,
    Vehicle,
    VehicleRecord,
    VehicleRemoved,
)
from custom_components.evconduit.client.models import Bye
from custom_components.evconduit.client.vehicle import ChargeState, Location, VehicleInformation

NONE = Capability(is_capable=False, intervention_ids=())
EMPTY_VEHICLE = Vehicle(
    vendor=None,
    last_seen=None,
    is_reachable=None,
    information=VehicleInformation(brand=None, model=None, year=None, display_name=None),
    charge_state=ChargeState(
        battery_level=None,
        range=None,
        is_plugged_in=None,
        is_charging=None,
        is_fully_charged=None,
        battery_capacity=None,
        charge_limit=None,
        charge_rate=None,
        charge_time_remaining=None,
        max_current=None,
        power_delivery_state=None,
        updated_at=None,
    ),
    location=Location(latitude=None, longitude=None, updated_at=None),
    odometer=None,
    odometer_updated_at=None,
    smart_charging=SmartChargingSettings(is_enabled=None, ready_by=None, minimum_level=None),
    capabilities=Capabilities(
        charge_state=NONE,
        location=NONE,
        odometer=NONE,
        start_charging=NONE,
        stop_charging=NONE,
        set_max_current=NONE,
        smart_charging=NONE,
    ),
)

VEHICLE: JsonObject = {
    "vendor": "KIA",
    "lastSeen": "2026-11-20T18:00:00Z",
    "isReachable": True,
    "information": {"brand": "Kia", "model": "EV6", "displayName": "Family car", "year": 2025, "vin": "KNA"},
    "chargeState": {
        "batteryLevel": 1,
        "range": 2,
        "isPluggedIn": True,
        "isCharging": False,
        "isFullyCharged": True,
        "batteryCapacity": 3.5,
        "chargeLimit": 4,
        "chargeRate": 5.5,
        "chargeTimeRemaining": 6,
        "maxCurrent": 16,
        "powerDeliveryState": "PLUGGED_IN:DISCHARGING",
        "lastUpdated": "2026-11-20T17:00:00Z",
    },
    "location": {"latitude": -7.5, "longitude": 8.5, "id": "home", "lastUpdated": "2026-11-20T16:00:00Z"},
    "odometer": {"distance": 9, "lastUpdated": "2026-11-20T15:00:00Z"},
    "smartChargingPolicy": {"isEnabled": True, "deadline": "07:30", "minimumChargeLimit": 20},
    "capabilities": {
        "chargeState": {"isCapable": True, "interventionIds": ["a"]},
        "location": {"isCapable": False, "interventionIds": ["b", "c"]},
        "odometer": {"isCapable": True, "interventionIds": []},
        "startCharging": {"isCapable": False, "interventionIds": ["d"]},
        "stopCharging": {"isCapable": True, "interventionIds": ["e"]},
        "smartCharging": {"isCapable": True, "interventionIds": ["f"]},
        "setMaxCurrent": {"isCapable": False, "interventionIds": ["g"]},
    },
}
PARSED_VEHICLE = Vehicle(
    vendor="KIA",
    last_seen=datetime(2026, 11, 20, 18, tzinfo=UTC),
    is_reachable=True,
    information=VehicleInformation(brand="Kia", model="EV6", year=2025, display_name="Family car"),
    charge_state=ChargeState(
        battery_level=1,
        range=2,
        is_plugged_in=True,
        is_charging=False,
        is_fully_charged=True,
        battery_capacity=3.5,
        charge_limit=4,
        charge_rate=5.5,
        charge_time_remaining=6,
        max_current=16,
        power_delivery_state=PowerDeliveryState.DISCHARGING,
        updated_at=datetime(2026, 11, 20, 17, tzinfo=UTC),
    ),
    location=Location(latitude=-7.5, longitude=8.5, updated_at=datetime(2026, 11, 20, 16, tzinfo=UTC)),
    odometer=9,
    odometer_updated_at=datetime(2026, 11, 20, 15, tzinfo=UTC),
    smart_charging=SmartChargingSettings(is_enabled=True, ready_by=time(7, 30), minimum_level=20),
    capabilities=Capabilities(
        charge_state=Capability(is_capable=True, intervention_ids=("a",)),
        location=Capability(is_capable=False, intervention_ids=("b", "c")),
        odometer=Capability(is_capable=True, intervention_ids=()),
        start_charging=Capability(is_capable=False, intervention_ids=("d",)),
        stop_charging=Capability(is_capable=True, intervention_ids=("e",)),
        set_max_current=Capability(is_capable=False, intervention_ids=("g",)),
        smart_charging=Capability(is_capable=True, intervention_ids=("f",)),
    ),
)

COMMAND: JsonObject = {
    "id": "c1",
    "vehicle_id": "v1",
    "kind": "START",
    "state": "failed",
    "reason": {"type": "NO_RESPONSE", "detail": "Asleep."},
    "requested_at": "2026-11-20T18:05:00Z",
    "settled_at": "2026-11-20T18:06:00Z",
}
PARSED_COMMAND = Command(
    id="c1",
    kind=CommandKind.START,
    state=CommandState.FAILED,
    reason=CommandReason(type="NO_RESPONSE", detail="Asleep."),
    requested_at=datetime(2026, 11, 20, 18, 5, tzinfo=UTC),
)

ACCOUNT: JsonObject = {
    "id": "a1",
    "title": "Garage",
    "plan": "basic",
    "push": True,
    "allowance": {"limit": 2500, "used": 41, "resets_at": "2026-12-14T00:00:00Z", "call_tokens": 7},
    "next_poll_at": "2026-11-20T19:00:00Z",
    "relay": {"version": "1.2.3", "features": ["webhook", "refresh"], "instance_id": "r1"},
    "language": "nl",
}
INTERVENTION: JsonObject = {"id": "i1", "title": "Title", "description": "Text", "agent": "User", "action": "Link"}
SESSION: JsonObject = {
    "id": "s1",
    "vehicle_id": "v1",
    "kind": "charge",
    "started_at": "2026-11-20T16:00:00Z",
    "ended_at": "2026-11-20T17:00:00Z",
    "energy_kwh": 8.5,
    "soc_start": 40,
    "soc_end": 55,
    "at_home": False,
    "latitude": 52.5,
    "longitude": 5.5,
    "cost": {"amount": 2.125, "currency": "EUR", "per_kwh": 0.25},
}
PARSED_SESSION = ChargingSession(
    id="s1",
    vehicle_id="v1",
    kind="charge",
    started_at=datetime(2026, 11, 20, 16, tzinfo=UTC),
    ended_at=datetime(2026, 11, 20, 17, tzinfo=UTC),
    energy_kwh=8.5,
    level_start=40,
    level_end=55,
    at_home=False,
    latitude=52.5,
    longitude=5.5,
    cost=2.125,
    currency="EUR",
    raw=SESSION,
)
SMART_CHARGING: JsonObject = {
    "state": "PLAN:EXECUTING:STOPPED",
    "since": "2026-11-20T18:00:00Z",
    "plan": {"start_at": "2026-11-21T01:00:00Z", "estimated_finish_at": "2026-11-21T05:00:00Z", "ended_at": None},
    "overridden": True,
}
RECORD: JsonObject = {
    "smart_charging": SMART_CHARGING,
    "id": "v1",
    "revision": 7,
    "link": {"state": "broken", "since": "2026-11-19T18:00:00Z"},
    "vehicle": VEHICLE,
    "corrections": ["isCharging", "batteryLevel"],
    "energy": {
        "lifetime_kwh": 312.5,
        "home_kwh": 280.1,
        "discharged_kwh": 0,
        "cost": {"amount": 96.5, "currency": "EUR", "since": "2026-11-01T00:00:00Z"},
    },
    "charging_sessions": {"current": None, "last": SESSION},
    "command": COMMAND,
    "interventions": [INTERVENTION],
}


def parse_account(members: JsonObject) -> Account:
    return Account.parse(JsonReader(members))


def parse_record(members: JsonObject) -> VehicleRecord:
    return VehicleRecord.parse(JsonReader(members))


@pytest.mark.parametrize(("members", "expected"), [(VEHICLE, PARSED_VEHICLE), ({}, EMPTY_VEHICLE)])
def test_members_of_a_vehicle(members: JsonObject, expected: Vehicle):
    assert Vehicle.parse(JsonReader(members)) == expected


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        (COMMAND, PARSED_COMMAND),
        (
            {"id": "c1"},
            Command(id="c1", kind=None, state=None, reason=CommandReason(type=None, detail=None), requested_at=None),
        ),
    ],
)
def test_members_of_a_command(members: JsonObject, expected: Command):
    assert Command.parse(JsonReader(members)) == expected


NO_SMART_CHARGING = SmartChargingStatus(state=None, starts_at=None, finishes_at=None, is_overridden=False)


def test_members_of_a_record():
    assert parse_record(RECORD) == VehicleRecord(
        id="v1",
        revision=7,
        link_state=LinkState.BROKEN,
        link_since=datetime(2026, 11, 19, 18, tzinfo=UTC),
        vehicle=PARSED_VEHICLE,
        corrections=("isCharging", "batteryLevel"),
        energy=EnergyCounters(
            lifetime_kwh=312.5,
            home_kwh=280.1,
            discharged_kwh=0,
            cost=TotalCost(amount=96.5, currency="EUR", since=datetime(2026, 11, 1, tzinfo=UTC)),
        ),
        current_session=None,
        last_session=PARSED_SESSION,
        command=PARSED_COMMAND,
        smart_charging=SmartChargingStatus(
            state="PLAN:EXECUTING:STOPPED",
            starts_at=datetime(2026, 11, 21, 1, tzinfo=UTC),
            finishes_at=datetime(2026, 11, 21, 5, tzinfo=UTC),
            is_overridden=True,
        ),
        interventions=(Intervention(id="i1", title="Title", description="Text", agent="User", action="Link"),),
        raw={},
    )
    assert parse_record(RECORD).raw == RECORD
    assert parse_record({"id": "v1", "revision": 0}) == VehicleRecord(
        id="v1",
        revision=0,
        link_state=None,
        link_since=None,
        vehicle=EMPTY_VEHICLE,
        corrections=(),
        command=None,
        smart_charging=NO_SMART_CHARGING,
        interventions=(),
        energy=None,
        current_session=None,
        last_session=None,
        raw={},
    )


@pytest.mark.parametrize(
    ("deadline", "expected"),
    [("24:00", time(0)), ("00:00", time(0)), ("23:59", time(23, 59)), ("25:00", None), ("", None), (7, None)],
)
def test_deadline_is_a_time_of_day(deadline: str | int, expected: time | None):
    assert SmartChargingSettings.parse_policy(JsonReader({"deadline": deadline})).ready_by == expected
    assert SmartChargingSettings.parse(JsonReader({"ready_by": deadline})).ready_by == expected


def test_plan_that_has_ended_has_no_times():
    ended = {"plan": SMART_CHARGING["plan"] | {"ended_at": "2026-11-21T05:00:00Z"}}
    assert SmartChargingStatus.parse(JsonReader(ended)) == NO_SMART_CHARGING


def test_members_of_an_account():
    assert parse_account(ACCOUNT) == Account(
        id="a1",
        title="Garage",
        plan="basic",
        push=True,
        allowance=Allowance(limit=2500, used=41, resets_at=datetime(2026, 12, 14, tzinfo=UTC), call_tokens=7),
        next_poll_at=datetime(2026, 11, 20, 19, tzinfo=UTC),
        relay_version="1.2.3",
        features=frozenset({"webhook", "refresh"}),
        language="nl",
        instance_id="r1",
        raw={},
    )
    assert parse_account(ACCOUNT).raw == ACCOUNT
    assert parse_account({"id": "a1"}) == Account(
        id="a1",
        title=None,
        plan=None,
        push=False,
        allowance=Allowance(limit=None, used=None, resets_at=None, call_tokens=None),
        next_poll_at=None,
        relay_version=None,
        features=frozenset(),
        language=None,
        instance_id=None,
        raw={},
    )


@pytest.mark.parametrize(
    ("members", "gap"),
    [({}, False), ({"gap": None}, False), ({"gap": False}, False), ({"gap": 1}, False), ({"gap": True}, True)],
)
def test_members_of_a_snapshot(members: JsonObject, *, gap: bool):
    snapshot = Snapshot.parse(JsonReader({"account": ACCOUNT, "vehicles": [RECORD, make_record_json("v2")]} | members))
    assert snapshot == Snapshot(
        account=parse_account(ACCOUNT),
        vehicles=(parse_record(RECORD), parse_record(make_record_json("v2"))),
        gap=gap,
    )


def make_record_json(vehicle_id: str) -> JsonObject:
    return RECORD | {"id": vehicle_id}


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        (
            {"occurred_at": "2026-11-20T18:00:00Z", "replayed": True},
            {"occurred_at": datetime(2026, 11, 20, 18, tzinfo=UTC), "replayed": True},
        ),
        (
            {
                "recorded_at": "2026-11-20T19:00:00Z",
                "id": "e.7",
                "command": {"id": "c1", "kind": "MAX_CURRENT", "amps": 10},
            },
            {
                "occurred_at": None,
                "replayed": False,
                "recorded_at": datetime(2026, 11, 20, 19, tzinfo=UTC),
                "cursor": "e.7",
                "command": Command(
                    id="c1",
                    kind=CommandKind.MAX_CURRENT,
                    amps=10,
                    state=None,
                    reason=CommandReason(type=None, detail=None),
                    requested_at=None,
                ),
            },
        ),
        ({}, {"occurred_at": None, "replayed": False}),
        ({"replayed": "true"}, {"occurred_at": None, "replayed": False}),
    ],
)
def test_members_of_a_transition(members: JsonObject, expected: dict[str, Any]):
    required: JsonObject = {"vehicle_id": "v1", "type": "plugged_in"}
    transition = Transition.parse(JsonReader(required | members))
    assert transition == Transition(vehicle_id="v1", type="plugged_in", **expected)


def test_members_of_the_other_messages():
    assert VehicleRemoved.parse(JsonReader({"id": "v1", "reason": "unlinked"})) == VehicleRemoved(id="v1")
    assert Bye.parse(JsonReader({"reason": "plan", "retry_after": 1.5})) == Bye(reason="plan", retry_after=1.5)
    assert Bye.parse(JsonReader({})) == Bye(reason=None, retry_after=None)
    endpoint = Endpoint.parse(JsonReader({"state": "off", "last_failure": "timeout", "secret": "whsec_x"}))
    assert endpoint == Endpoint(state=EndpointState.OFF, last_failure="timeout", secret="whsec_x")
    assert Endpoint.parse(JsonReader({})) == Endpoint(state=None, last_failure=None, secret=None)


def test_representations_contain_no_secret_and_no_raw_data():
    texts = [repr(parse_record(RECORD)), repr(parse_account(ACCOUNT | {"email": "KNA"}))]
    texts.append(repr(Endpoint.parse(JsonReader({"state": "on", "secret": "KNA"}))))
    assert [text for text in texts if "KNA" in text] == []


def test_records_of_the_fixtures_differ_only_by_what_is_parsed():
    """A record is compared to decide whether entities are written: members that nobody reads don't count."""
    record = parse_record(make_record("a1f0c2d4-0000-4000-8000-000000000001"))
    assert record == VehicleRecord.parse(JsonReader(record.raw | {"former_ids": ["x"]}))
    assert record != VehicleRecord.parse(JsonReader(record.raw | {"revision": 2}))
    assert parse_account(make_account()) == parse_account(make_account(title_changed_at="x"))
