"""Corrections of known vendor errors, and that nothing else is changed."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.vehicles.corrections import derive_corrections
from relay.vehicles.models import Vehicle
from relay.vehicles.plausibility.charge_rate import MAX_CHARGE_RATE_KW
from relay.vehicles.plausibility.false_unplugged import MAX_PLUGGED_IN_HOLD
from relay.vehicles.transitions import parse_charge_flags
from tests.relay.support.corrected_vehicle import CHARGE_RATE_RULE, HELD_RULE, IS_CHARGING_RULE, NOON, CorrectedVehicle


@pytest.fixture
def vehicle():
    return CorrectedVehicle()


def complete_charge(vehicle):
    vehicle.report_charge("PLUGGED_IN:CHARGING", 0, level=79)
    vehicle.report_charge("PLUGGED_IN:COMPLETE", 10)


def test_unplugged_after_a_completed_charge_is_shown_as_plugged_in(vehicle):
    complete_charge(vehicle)
    shown = vehicle.report_charge("UNPLUGGED", 12)
    assert (shown["powerDeliveryState"], shown["isPluggedIn"], shown["isCharging"]) == (
        "PLUGGED_IN:COMPLETE",
        True,
        False,
    )
    assert vehicle.corrected.names == (HELD_RULE,)
    assert vehicle.state.groups["chargeState"]["powerDeliveryState"] == "UNPLUGGED"


def test_unplugged_when_full_is_shown_as_plugged_in_without_a_complete_state(vehicle):
    vehicle.report_charge("PLUGGED_IN:CHARGING", 0, level=79)
    vehicle.report_charge("UNPLUGGED", 10, level=80)
    assert vehicle.is_held
    vehicle.report_charge("UNPLUGGED", 200, level=79)  # a parked vehicle loses a little charge
    assert vehicle.is_held


def test_absurd_numbers_are_ignored(vehicle):
    absurd = 10**400
    vehicle.report_charge(
        "PLUGGED_IN:CHARGING", 0, level=absurd, km=absurd, place=(absurd, absurd), batteryCapacity=absurd
    )
    assert vehicle.report_charge("UNPLUGGED", 10, level=80.5)["batteryLevel"] == 80.5


def test_unplugging_before_the_charge_limit_is_not_corrected(vehicle):
    vehicle.report_charge("PLUGGED_IN:CHARGING", 0, level=60)
    assert vehicle.report_charge("UNPLUGGED", 10, level=62)["isPluggedIn"] is False
    vehicle.report_charge("UNPLUGGED", 20, level=80)
    assert not vehicle.is_held


@pytest.mark.parametrize(
    "left", [{"km": 1000.5}, {"place": (52.003, 5.0)}, {"place": (52.0, 5.004)}, {"level": 77}], ids=str
)
def test_vehicle_that_has_moved_is_not_shown_as_plugged_in(vehicle, left):
    complete_charge(vehicle)
    vehicle.report_charge("UNPLUGGED", 12)
    assert vehicle.report_charge("UNPLUGGED", 20, **left)["powerDeliveryState"] == "UNPLUGGED"
    assert (vehicle.corrected.overlay, vehicle.corrected.names) == ({}, ())
    vehicle.report_charge("UNPLUGGED", 30)  # back at the same place, but not plugged in
    assert not vehicle.is_held


def test_noise_in_position_and_odometer_is_not_a_move(vehicle):
    complete_charge(vehicle)
    vehicle.report_charge("UNPLUGGED", 12, km=1000.2, place=(52.0005, 5.0005))
    assert vehicle.is_held


def test_move_reported_before_the_charge_state_counts(vehicle):
    complete_charge(vehicle)
    odometer = {"distance": 1004.0, "lastUpdated": (NOON + timedelta(minutes=20)).isoformat()}
    vehicle.report({"vendor": "XPENG", "odometer": odometer}, 20)
    vehicle.report_charge("UNPLUGGED", 22, km=1004.0)
    assert not vehicle.is_held


def test_correction_ends_after_a_day(vehicle):
    complete_charge(vehicle)
    day = MAX_PLUGGED_IN_HOLD / timedelta(minutes=1)
    vehicle.report_charge("UNPLUGGED", 10 + day)
    assert vehicle.is_held
    vehicle.report_charge("UNPLUGGED", 11 + day)
    assert not vehicle.is_held


def test_unplugging_after_a_later_stop_is_not_corrected(vehicle):
    complete_charge(vehicle)
    vehicle.report_charge("UNPLUGGED", 12)
    vehicle.report_charge("PLUGGED_IN:STOPPED", 20)
    vehicle.report_charge("UNPLUGGED", 22)
    assert not vehicle.is_held


def test_other_vendors_are_not_corrected():
    vehicle = CorrectedVehicle(vendor="TESLA")
    complete_charge(vehicle)
    assert vehicle.report_charge("UNPLUGGED", 12)["powerDeliveryState"] == "UNPLUGGED"
    assert vehicle.corrected.overlay == {}


@pytest.mark.parametrize(
    ("state", "is_charging", "plugged_in", "shown"),
    [
        ("PLUGGED_IN:STOPPED", True, True, False),
        ("PLUGGED_IN:COMPLETE", True, True, False),
        ("PLUGGED_IN:FAULT", True, True, False),
        ("UNPLUGGED", True, False, False),
        ("UNKNOWN", True, False, False),
        ("PLUGGED_IN:CHARGING", False, True, True),
        # No contradiction, or nothing that decides it.
        ("PLUGGED_IN:INITIALIZING", True, True, True),
        ("UNKNOWN", True, None, True),
        ("UNKNOWN", True, True, True),
        ("PLUGGED_IN:STOPPED", None, True, None),
        ("PLUGGED_IN:SOMETHING_NEW", True, True, True),
    ],
)
def test_power_delivery_state_wins_over_is_charging(state, is_charging, plugged_in, shown):
    vehicle = CorrectedVehicle(vendor="KIA")
    assert (
        vehicle.report_charge(state, 0, isCharging=is_charging, isPluggedIn=plugged_in, chargeRate=None)["isCharging"]
        is shown
    )
    assert (IS_CHARGING_RULE in vehicle.corrected.names) is (shown != is_charging)


def charge_without_rate(vehicle, level, minutes):
    return vehicle.report_charge("PLUGGED_IN:CHARGING", minutes, level=level, chargeRate=None)["chargeRate"]


def test_missing_charge_rate_is_estimated_between_rises_of_the_level():
    vehicle = CorrectedVehicle(vendor="NISSAN")
    assert charge_without_rate(vehicle, 50, 0) is None
    assert charge_without_rate(vehicle, 51, 3) is None  # part of that percent may have been there before
    assert charge_without_rate(vehicle, 52, 9) is None  # less than ten minutes after the first rise
    assert charge_without_rate(vehicle, 53, 15) == 6.0  # 2 % of 60 kWh in 12 minutes
    assert vehicle.corrected.names == (CHARGE_RATE_RULE,)
    assert charge_without_rate(vehicle, 53, 40) == 6.0
    assert charge_without_rate(vehicle, 53, 76) is None  # an hour without a rise


def test_estimate_ends_with_charging_and_a_reported_rate_is_not_changed():
    vehicle = CorrectedVehicle(vendor="NISSAN")
    for level, minutes in ((50, 0), (51, 6), (53, 18)):
        charge_without_rate(vehicle, level, minutes)
    assert vehicle.charge_state["chargeRate"] == 6.0
    assert vehicle.report_charge("PLUGGED_IN:STOPPED", 20, level=53)["chargeRate"] is None
    assert vehicle.report_charge("PLUGGED_IN:CHARGING", 22, level=53, chargeRate=3.3)["chargeRate"] == 3.3
    assert (vehicle.corrected.overlay, vehicle.corrected.names) == ({}, ())


states = st.sampled_from(
    ["UNKNOWN", "UNPLUGGED", *(f"PLUGGED_IN:{state}" for state in ("INITIALIZING", "CHARGING", "STOPPED", "COMPLETE"))]
)
flags = st.sampled_from([True, False, None])
charges = st.fixed_dictionaries(
    {},
    optional={
        "powerDeliveryState": states | st.none() | st.integers(),
        "isPluggedIn": flags,
        "isCharging": flags,
        "isFullyCharged": flags,
        "batteryLevel": st.none() | st.integers(0, 100) | st.floats(0, 100),
        "batteryCapacity": st.none() | st.sampled_from([0, -1, 60]),
        "chargeRate": st.none() | st.just(7.2),
        "chargeLimit": st.none() | st.integers(0, 100),
    },
)
places = st.fixed_dictionaries(
    {}, optional={"latitude": st.none() | st.floats(-90, 90), "longitude": st.none() | st.floats(-180, 180)}
)
odometers = st.fixed_dictionaries({}, optional={"distance": st.none() | st.floats(0, 1e6)})
vehicles = st.fixed_dictionaries(
    {"vendor": st.sampled_from(["XPENG", "TESLA"])},
    optional={
        "chargeState": charges | st.none(),
        "location": places | st.none(),
        "odometer": odometers | st.none(),
    },
)
histories = st.lists(st.tuples(vehicles, st.integers(0, 3000)), max_size=12)


@given(histories)
def test_same_state_again_gets_the_same_corrections(history):
    vehicle = CorrectedVehicle()
    for report, minutes in history:
        vehicle.report(report, minutes)
        assert derive_corrections(vehicle.state, vehicle.plausibility, vehicle.corrected.memory) == vehicle.corrected


MEMBERS_OF_RULE = {
    HELD_RULE: {"isPluggedIn", "isCharging", "powerDeliveryState"},
    "isCharging:expired": {"isCharging", "powerDeliveryState", "chargeRate", "chargeTimeRemaining"},
    "batteryLevel:held": {
        "batteryLevel", "range", "isPluggedIn", "isCharging", "isFullyCharged", "powerDeliveryState", "chargeRate",
        "chargeTimeRemaining",
    },
}  # fmt: skip


@given(histories)
def test_each_rule_changes_only_its_own_members(history):
    vehicle = CorrectedVehicle()
    for report, minutes in history:
        vehicle.report(report, minutes)
        names, groups = vehicle.corrected.names, vehicle.state.groups
        allowed = set().union(*(MEMBERS_OF_RULE.get(name, {name.partition(":")[0]}) for name in names))
        for group, members in vehicle.corrected.overlay.items():
            changed = {key for key, value in members.items() if value != groups[group].get(key)}
            assert changed
            assert changed <= allowed or group in allowed
        assert bool(names) is bool(vehicle.corrected.overlay)


@given(histories)
def test_corrected_state_is_consistent(history):
    vehicle = CorrectedVehicle()
    for report, minutes in history:
        vehicle.report(report, minutes)
        shown = Vehicle(
            id=None, user_id=None, link_since=NOON, state=vehicle.state, corrected=vehicle.corrected
        ).corrected_groups
        charge = parse_charge_flags(shown)
        group = shown.get("chargeState") or {}
        if group.get("powerDeliveryState") in {"UNPLUGGED", "PLUGGED_IN:STOPPED", "PLUGGED_IN:COMPLETE"}:
            assert charge.charging is not True
        rate = group.get("chargeRate")
        assert rate is None or 0 < rate <= MAX_CHARGE_RATE_KW
