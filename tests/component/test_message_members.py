"""Each member of the relay's messages is read from its own key, and missing ones have their promised default."""

from datetime import UTC, datetime
from typing import Any

import pytest
from relay_double import make_account, make_record

from custom_components.evconduit.client import (
    Account,
    Capabilities,
    Capability,
    Command,
    CommandKind,
    CommandReason,
    CommandState,
    Endpoint,
    EndpointState,
    Intervention,
    JsonObject,
    JsonReader,
    LinkState,
    PowerDeliveryState,
    Snapshot,
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
    information=VehicleInformation(brand=None, model=None, display_name=None),
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
        power_delivery_state=None,
    ),
    location=Location(latitude=None, longitude=None),
    odometer=None,
    capabilities=Capabilities(charge_state=NONE, location=NONE, odometer=NONE, start_charging=NONE, stop_charging=NONE),
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
        "powerDeliveryState": "PLUGGED_IN:DISCHARGING",
        "lastUpdated": "2026-11-20T17:00:00Z",
    },
    "location": {"latitude": -7.5, "longitude": 8.5, "id": "home"},
    "odometer": {"distance": 9},
    "capabilities": {
        "chargeState": {"isCapable": True, "interventionIds": ["a"]},
        "location": {"isCapable": False, "interventionIds": ["b", "c"]},
        "odometer": {"isCapable": True, "interventionIds": []},
        "startCharging": {"isCapable": False, "interventionIds": ["d"]},
        "stopCharging": {"isCapable": True, "interventionIds": ["e"]},
        "smartCharging": {"isCapable": True, "interventionIds": ["f"]},
    },
}
PARSED_VEHICLE = Vehicle(
    vendor="KIA",
    last_seen=datetime(2026, 11, 20, 18, tzinfo=UTC),
    is_reachable=True,
    information=VehicleInformation(brand="Kia", model="EV6", display_name="Family car"),
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
        power_delivery_state=PowerDeliveryState.DISCHARGING,
    ),
    location=Location(latitude=-7.5, longitude=8.5),
    odometer=9,
    capabilities=Capabilities(
        charge_state=Capability(is_capable=True, intervention_ids=("a",)),
        location=Capability(is_capable=False, intervention_ids=("b", "c")),
        odometer=Capability(is_capable=True, intervention_ids=()),
        start_charging=Capability(is_capable=False, intervention_ids=("d",)),
        stop_charging=Capability(is_capable=True, intervention_ids=("e",)),
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
    "next_poll_at": "2026-11-20T19:00:00Z",
    "relay": {"version": "1.2.3", "features": ["webhook", "refresh"], "instance_id": "r1"},
    "language": "nl",
}
INTERVENTION: JsonObject = {"id": "i1", "title": "Title", "description": "Text", "agent": "User", "action": "Link"}
RECORD: JsonObject = {
    "id": "v1",
    "revision": 7,
    "link": {"state": "broken"},
    "vehicle": VEHICLE,
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


def test_members_of_a_record():
    assert parse_record(RECORD) == VehicleRecord(
        id="v1",
        revision=7,
        link_state=LinkState.BROKEN,
        vehicle=PARSED_VEHICLE,
        command=PARSED_COMMAND,
        interventions=(Intervention(id="i1", title="Title", description="Text", agent="User", action="Link"),),
        raw={},
    )
    assert parse_record(RECORD).raw == RECORD
    assert parse_record({"id": "v1", "revision": 0}) == VehicleRecord(
        id="v1", revision=0, link_state=None, vehicle=EMPTY_VEHICLE, command=None, interventions=(), raw={}
    )


def test_members_of_an_account():
    assert parse_account(ACCOUNT) == Account(
        id="a1",
        title="Garage",
        plan="basic",
        push=True,
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


@pytest.mark.parametrize("item", [{"title": "no id"}, {"id": ""}, {"id": 7}, None, "text", ["i1"]])
def test_malformed_interventions_are_skipped(item: object):
    assert Intervention.parse_all([item, INTERVENTION]) == (
        Intervention(id="i1", title="Title", description="Text", agent="User", action="Link"),
    )


@pytest.mark.parametrize("items", [None, {}, {"id": "i1"}, "text", 7])
def test_interventions_that_are_no_list_are_ignored(items: object):
    assert Intervention.parse_all(items) == ()


@pytest.mark.parametrize(
    ("agent", "expected"), [("User", True), ("ThirdParty", False), ("user", False), ("", False), (None, False)]
)
def test_intervention_is_for_the_user_if_the_user_is_its_agent(agent: str | None, *, expected: bool):
    (intervention,) = Intervention.parse_all([INTERVENTION | {"agent": agent}])
    assert intervention.is_for_user is expected


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ({"isCapable": True, "interventionIds": []}, True),
        ({"isCapable": False, "interventionIds": ["i1"]}, True),
        ({"isCapable": False, "interventionIds": []}, False),
        ({"isCapable": None}, False),
        ({"isCapable": 1}, False),
        ({}, False),
    ],
)
def test_capability_is_supported_if_capable_or_after_an_intervention(members: JsonObject, *, expected: bool):
    assert Capability.parse(JsonReader(members)).is_supported is expected


@pytest.mark.parametrize(
    ("state", "is_open", "is_refused"),
    [
        ("sending", True, False),
        ("pending", True, False),
        ("confirmed", False, False),
        ("failed", False, True),
        ("cancelled", False, True),
        ("unknown", False, False),
        ("added later", False, False),
    ],
)
def test_state_of_a_command(state: str, *, is_open: bool, is_refused: bool):
    command = Command.parse(JsonReader(COMMAND | {"state": state}))
    assert (command.is_open, command.is_refused) == (is_open, is_refused)


def test_states_of_power_delivery_are_those_of_enode():
    states = ["UNPLUGGED"]
    states += [
        f"PLUGGED_IN:{state}"
        for state in ("INITIALIZING", "CHARGING", "STOPPED", "COMPLETE", "NO_POWER", "FAULT", "DISCHARGING")
    ]
    parsed = [
        Vehicle.parse(JsonReader({"chargeState": {"powerDeliveryState": state}})).charge_state.power_delivery_state
        for state in [*states, "UNKNOWN"]
    ]
    assert parsed == [*PowerDeliveryState, None]


def test_records_of_the_fixtures_differ_only_by_what_is_parsed():
    """A record is compared to decide whether entities are written: members that nobody reads don't count."""
    record = parse_record(make_record("a1f0c2d4-0000-4000-8000-000000000001"))
    assert record == VehicleRecord.parse(JsonReader(record.raw | {"corrections": ["isCharging"]}))
    assert record != VehicleRecord.parse(JsonReader(record.raw | {"revision": 2}))
    assert parse_account(make_account()) == parse_account(make_account(allowance={"used": 5}))
