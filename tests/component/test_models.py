import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from relay_double import RENAULT, TESLA, make_account, make_command, make_enode_vehicle, make_record

from custom_components.evconduit.client import (
    Account,
    Command,
    JsonReader,
    LinkState,
    MalformedError,
    PowerDeliveryState,
    Snapshot,
    Vehicle,
    VehicleRecord,
)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


def list_paths(value, at=()):
    yield at
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from list_paths(inner, (*at, key))


PATHS = [path for path in list_paths(make_enode_vehicle(TESLA)) if path]


def test_vehicle_is_parsed():
    vehicle = Vehicle.parse(JsonReader(make_enode_vehicle(TESLA)))
    assert vehicle.vendor == "TESLA"
    assert vehicle.last_seen == datetime(2026, 11, 20, 18, 4, 11, 250_000, tzinfo=UTC)
    assert vehicle.charge_state.battery_level == 57
    assert isinstance(vehicle.charge_state.battery_level, int)
    assert vehicle.charge_state.power_delivery_state is PowerDeliveryState.CHARGING
    assert (vehicle.location.latitude, vehicle.location.longitude) == (52.0907, 5.1214)
    assert vehicle.odometer == 48213
    assert vehicle.capabilities.start_charging.is_supported


def test_vin_is_only_in_raw_data():
    parsed = VehicleRecord.parse(JsonReader(make_record(TESLA)))
    assert "5YJ3E7EB1KF111111" not in repr(parsed)
    assert parsed.raw["vehicle"]["information"]["vin"] == "5YJ3E7EB1KF111111"


@given(st.sampled_from(PATHS), JSON)
def test_vehicle_with_any_invalid_member_is_parsed(path, value):
    enode = make_enode_vehicle(TESLA)
    inner = enode
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    vehicle = Vehicle.parse(JsonReader(enode))
    assert vehicle.charge_state.is_charging in {True, False, None}
    assert isinstance(vehicle.odometer, int | float | None)
    assert vehicle.last_seen is None or vehicle.last_seen.tzinfo is UTC


@given(JSON)
def test_any_json_is_parsed_as_a_vehicle(value):
    assert Vehicle.parse(JsonReader(value)) == Vehicle.parse(JsonReader(None)) or isinstance(value, dict)


@given(st.dictionaries(st.sampled_from(["id", "revision", "link", "vehicle", "command", "new"]), JSON))
def test_any_json_is_parsed_as_a_record_or_rejected(value):
    try:
        parsed = VehicleRecord.parse(JsonReader(value))
    except MalformedError:
        return
    assert parsed.id
    assert isinstance(parsed.revision, int)


@pytest.mark.parametrize("missing", ["account", "vehicles"])
def test_incomplete_snapshot_is_rejected(missing):
    snapshot = {"account": make_account(), "vehicles": [make_record(TESLA)]}
    assert Snapshot.parse(JsonReader(snapshot)).vehicles[0].id == TESLA
    del snapshot[missing]
    with pytest.raises(MalformedError, match=missing):
        Snapshot.parse(JsonReader(snapshot))


@pytest.mark.parametrize("item", [None, "text", {}, {"id": TESLA}, {"id": TESLA, "revision": "new"}, {"id": 7}])
def test_snapshot_with_a_malformed_record_is_rejected(item):
    with pytest.raises(MalformedError):
        Snapshot.parse(JsonReader({"account": make_account(), "vehicles": [make_record(RENAULT), item]}))


def test_unknown_enum_values_are_none():
    enode = {"chargeState": {"powerDeliveryState": "PLUGGED_IN:NEW"}}
    assert Vehicle.parse(JsonReader(enode)).charge_state.power_delivery_state is None
    parsed = VehicleRecord.parse(
        JsonReader(make_record(TESLA, link={"state": "new"}, command=make_command(state="new")))
    )
    assert parsed.link_state is None
    assert parsed.command is not None
    assert not parsed.command.is_open


def test_unknown_members_are_ignored():
    raw = json.loads(json.dumps(make_record(TESLA)).replace('"odometer"', '"new": {"member": 3}, "odometer"'))
    assert VehicleRecord.parse(JsonReader(raw | {"colour": "blue"})) == VehicleRecord.parse(
        JsonReader(make_record(TESLA))
    )


def test_only_sending_and_pending_commands_are_open():
    open_ = {
        state
        for state in ("sending", "pending", "confirmed", "failed", "cancelled", "unknown")
        if _make_command(state).is_open
    }
    assert open_ == {"sending", "pending"}


def _make_command(state: str) -> Command:
    return Command.parse(JsonReader(make_command(state=state)))


def test_link_state_is_parsed():
    assert (
        VehicleRecord.parse(JsonReader(make_record(TESLA, link={"state": "over_limit"}))).link_state
        is LinkState.OVER_LIMIT
    )


def test_push_defaults_to_false():
    assert Account.parse(JsonReader(make_account())).push
    assert not Account.parse(JsonReader({"id": "x"})).push
