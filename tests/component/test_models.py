import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from relay_double import RENAULT, TESLA, account, car, command, record

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


def paths(value, at=()):
    yield at
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from paths(inner, (*at, key))


PATHS = [it for it in paths(car(TESLA)) if it]


def test_a_vehicle_is_read_as_enode_tells_it():
    vehicle = Vehicle.parse(JsonReader(car(TESLA)))
    assert vehicle.vendor == "TESLA"
    assert vehicle.last_seen == datetime(2026, 11, 20, 18, 4, 11, 250_000, tzinfo=UTC)
    assert vehicle.charge_state.battery_level == 57
    assert isinstance(vehicle.charge_state.battery_level, int)
    assert vehicle.charge_state.power_delivery_state is PowerDeliveryState.CHARGING
    assert (vehicle.location.latitude, vehicle.location.longitude) == (52.0907, 5.1214)
    assert vehicle.odometer == 48213
    assert vehicle.capabilities.start_charging.is_supported


def test_no_vin_is_kept_where_it_could_be_shown():
    parsed = VehicleRecord.parse(JsonReader(record(TESLA)))
    assert "5YJ3E7EB1KF111111" not in repr(parsed)
    assert parsed.raw["vehicle"]["information"]["vin"] == "5YJ3E7EB1KF111111"


@given(st.sampled_from(PATHS), JSON)
def test_nothing_within_a_vehicle_can_break_its_reading(path, value):
    enode = car(TESLA)
    inner = enode
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    vehicle = Vehicle.parse(JsonReader(enode))
    assert vehicle.charge_state.is_charging in {True, False, None}
    assert isinstance(vehicle.odometer, int | float | None)
    assert vehicle.last_seen is None or vehicle.last_seen.tzinfo is UTC


@given(JSON)
def test_a_vehicle_may_be_anything(value):
    assert Vehicle.parse(JsonReader(value)) == Vehicle.parse(JsonReader(None)) or isinstance(value, dict)


@given(st.dictionaries(st.sampled_from(["id", "revision", "link", "vehicle", "command", "new"]), JSON))
def test_a_record_is_read_or_refused(value):
    try:
        parsed = VehicleRecord.parse(JsonReader(value))
    except MalformedError:
        return
    assert parsed.id
    assert isinstance(parsed.revision, int)


@pytest.mark.parametrize("missing", ["account", "vehicles"])
def test_half_a_snapshot_is_refused(missing):
    whole = {"account": account(), "vehicles": [record(TESLA)]}
    assert Snapshot.parse(JsonReader(whole)).vehicles[0].id == TESLA
    del whole[missing]
    with pytest.raises(MalformedError, match=missing):
        Snapshot.parse(JsonReader(whole))


@pytest.mark.parametrize("broken", [None, "a car", {}, {"id": TESLA}, {"id": TESLA, "revision": "new"}, {"id": 7}])
def test_a_snapshot_with_a_car_that_cannot_be_read_is_refused(broken):
    with pytest.raises(MalformedError):
        Snapshot.parse(JsonReader({"account": account(), "vehicles": [record(RENAULT), broken]}))


def test_words_from_the_future_are_unknown():
    enode = {"chargeState": {"powerDeliveryState": "PLUGGED_IN:DREAMING"}}
    assert Vehicle.parse(JsonReader(enode)).charge_state.power_delivery_state is None
    parsed = VehicleRecord.parse(JsonReader(record(TESLA, link={"state": "frayed"}, command=command(state="mulled"))))
    assert parsed.link_state is None
    assert parsed.command is not None
    assert not parsed.command.is_open


def test_keys_from_the_future_change_nothing():
    told = json.loads(json.dumps(record(TESLA)).replace('"odometer"', '"hovers": {"height": 3}, "odometer"'))
    assert VehicleRecord.parse(JsonReader(told | {"colour": "blue"})) == VehicleRecord.parse(JsonReader(record(TESLA)))


def test_states_that_are_open():
    open_ = {it for it in ("sending", "pending", "confirmed", "failed", "cancelled", "unknown") if _command(it).is_open}
    assert open_ == {"sending", "pending"}


def _command(state: str) -> Command:
    return Command.parse(JsonReader(command(state=state)))


def test_a_link_state():
    assert (
        VehicleRecord.parse(JsonReader(record(TESLA, link={"state": "over_limit"}))).link_state is LinkState.OVER_LIMIT
    )


def test_an_account_without_push_is_one_that_does_not_say():
    assert Account.parse(JsonReader(account())).push
    assert not Account.parse(JsonReader({"id": "x"})).push


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-20T18:04:11.250Z", datetime(2026, 11, 20, 18, 4, 11, 250_000, tzinfo=UTC)),
        ("2026-11-20T19:04:11+01:00", datetime(2026, 11, 20, 18, 4, 11, tzinfo=UTC)),
        ("2026-11-20T18:04:11", datetime(2026, 11, 20, 18, 4, 11, tzinfo=UTC)),
        ("0001-01-01T00:00:00+10:00", None),
        ("yesterday", None),
        (1_700_000_000, None),
    ],
)
def test_times_are_aware_and_in_utc(text, expected):
    assert JsonReader({"at": text}).get_datetime("at") == expected
