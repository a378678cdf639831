"""When a vehicle that reports UNPLUGGED after a full charge is shown as plugged in: each condition and its edge."""

import math

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.relay.support.corrected_vehicle import HELD_RULE, CorrectedVehicle

METRES_PER_DEGREE = 111_320
CHARGED_AT = 10
"""The minute of the report of the completed charge."""


def is_held(*, minutes=2, before=None, **now):
    """Whether an XPENG is shown as plugged in that reports UNPLUGGED `minutes` after its charge was complete."""
    vehicle = CorrectedVehicle()
    vehicle.report_charge("PLUGGED_IN:COMPLETE", CHARGED_AT, **(before or {}))
    vehicle.report_charge("UNPLUGGED", CHARGED_AT + minutes, **now)
    return vehicle.is_held


@pytest.mark.parametrize(
    ("minutes", "held"),
    [
        pytest.param(0, False, id="a newer event about the same moment replaces the older one"),
        pytest.param(1 / 60, True, id="a second"),
        pytest.param(24 * 60, True, id="24 hours"),
        pytest.param(24 * 60 + 1 / 60, False, id="a second over 24 hours"),
    ],
)
def test_vehicle_is_held_for_a_day_after_it_was_last_plugged_in(minutes, held):
    assert is_held(minutes=minutes) is held


def test_day_starts_at_the_last_report_of_the_plugged_in_vehicle_and_not_of_the_held_one():
    vehicle = CorrectedVehicle()
    vehicle.report_charge("PLUGGED_IN:COMPLETE", 0)
    vehicle.report_charge("PLUGGED_IN:COMPLETE", 60)
    for hour in range(2, 26):
        vehicle.report_charge("UNPLUGGED", hour * 60)
        assert vehicle.is_held
    vehicle.report_charge("UNPLUGGED", 25 * 60 + 1)
    assert not vehicle.is_held


@pytest.mark.parametrize(
    ("before", "now", "held"),
    [
        pytest.param({"km": 1000.0}, {"km": 1000.499}, True, id="0.499 km driven"),
        pytest.param({"km": 1000.0}, {"km": 1000.5}, False, id="0.5 km driven"),
        pytest.param({"km": 1000.0}, {"km": 999.501}, True, id="an odometer 0.499 km lower"),
        pytest.param({"km": 1000.0}, {"km": 999.5}, False, id="an odometer 0.5 km lower"),
        pytest.param({"km": 0.0}, {"km": 0.5}, False, id="0.5 km from zero"),
        pytest.param({"km": None}, {"km": 5000.0}, True, id="an odometer that was unknown"),
        pytest.param({"km": 1000.0}, {"km": None}, True, id="an odometer that is unknown"),
        pytest.param({"level": 80}, {"level": 77.01}, True, id="2.99 points less"),
        pytest.param({"level": 80}, {"level": 77}, False, id="3 points less"),
        pytest.param({"level": 80}, {"level": 99}, True, id="a higher level"),
        pytest.param({"level": None}, {"level": 5}, True, id="a level that was unknown"),
        pytest.param({"level": 80}, {"level": None}, True, id="a level that is unknown"),
    ],
)
def test_half_a_kilometre_or_three_points_are_a_move(before, now, held):
    assert is_held(minutes=20, before=before, **now) is held


@pytest.mark.parametrize(
    ("place", "now", "held"),
    [
        pytest.param((52.0, 5.0), (52.00179, 5.0), True, id="199 m north"),
        pytest.param((52.0, 5.0), (52.0018, 5.0), False, id="201 m north"),
        pytest.param((52.0, 5.0), (51.99821, 5.0), True, id="199 m south"),
        pytest.param((52.0, 5.0), (51.9982, 5.0), False, id="201 m south"),
        pytest.param((52.0, 5.0), (52.0, 5.00290), True, id="199 m east"),
        pytest.param((52.0, 5.0), (52.0, 5.00293), False, id="201 m east"),
        pytest.param((52.0, 5.0), (52.0, 4.99710), True, id="199 m west"),
        pytest.param((52.0, 5.0), (52.0, 4.99707), False, id="201 m west"),
        pytest.param((52.0, 5.0), (52.00125, 5.00205), True, id="139 m north and 140 m east"),
        pytest.param((52.0, 5.0), (52.00129, 5.00210), False, id="143 m north and 144 m east"),
        pytest.param((0.0, 5.0), (0.0, 5.00179), True, id="199 m east at the equator"),
        pytest.param((0.0, 5.0), (0.0, 5.0018), False, id="201 m east at the equator"),
        pytest.param((-52.0, 5.0), (-52.0, 5.00290), True, id="199 m east in the south"),
        pytest.param((-52.0, 5.0), (-52.0, 5.00293), False, id="201 m east in the south"),
        pytest.param((89.9, 5.0), (89.9, 6.02), True, id="198 m around the north pole"),
        pytest.param((89.9, 5.0), (89.9, 6.04), False, id="202 m around the north pole"),
        pytest.param((-89.9, 5.0), (-89.9, 6.02), True, id="198 m around the south pole"),
        pytest.param((-89.9, 5.0), (-89.9, 6.04), False, id="202 m around the south pole"),
        pytest.param((0.0, 179.9991), (0.0, -179.9991), False, id="201 m east across the date line"),
        pytest.param((0.0, 179.9992), (0.0, -179.9992), True, id="178 m east across the date line"),
        pytest.param((0.0, -179.9991), (0.0, 179.9991), False, id="201 m west across the date line"),
        pytest.param((0.0, -179.9992), (0.0, 179.9992), True, id="178 m west across the date line"),
        pytest.param((0.0, 180.0), (0.0, -180.0), True, id="the date line itself"),
        pytest.param((0.0, 0.1), (0.0, 180.0), False, id="the other side of the world"),
        pytest.param((0.0, 90.0), (0.0, -90.0), False, id="the other side of the world, westwards"),
        pytest.param((52.0, 5.0), (None, 5.0), True, id="an unknown latitude"),
        pytest.param((52.0, 5.0), (53.0, None), True, id="an unknown longitude"),
        pytest.param((None, None), (53.0, 6.0), True, id="a position that was unknown"),
    ],
)
def test_200_metres_in_any_direction_are_a_move(place, now, held):
    assert is_held(before={"place": place}, place=now) is held


def get_distance_m(one, other):
    """The distance between two positions by the angle between their vectors, independent of the code under test."""
    vectors = []
    for latitude, longitude in (one, other):
        phi, theta = math.radians(latitude), math.radians(longitude)
        vectors.append((math.cos(phi) * math.cos(theta), math.cos(phi) * math.sin(theta), math.sin(phi)))
    return 2 * math.asin(min(1.0, math.dist(*vectors) / 2)) * 180 / math.pi * METRES_PER_DEGREE


latitudes = st.floats(-89, 89)
longitudes = st.floats(-180, 180)
# Up to 445 metres, in degrees of a great circle.
offsets = st.floats(-0.004, 0.004)


@given(latitudes, longitudes, offsets, offsets)
def test_position_decides_by_the_distance_on_the_globe(latitude, longitude, north, east):
    now = latitude + north, (longitude + east / math.cos(math.radians(latitude)) + 180) % 360 - 180
    assume(max(abs(latitude), abs(longitude)) > 0.01)  # 0/0 is an unknown position
    distance = get_distance_m((latitude, longitude), now)
    assume(abs(distance - 200) > 1)
    assert is_held(before={"place": (latitude, longitude)}, place=now) is (distance < 200)


@given(latitudes, st.floats(-0.001, 0.001), st.floats(-0.001, 0.001), longitudes)
def test_decision_is_the_same_at_every_longitude(latitude, north, east, longitude):
    def decide(start):
        turned = (start + east / math.cos(math.radians(latitude)) + 180) % 360 - 180
        return is_held(before={"place": (latitude, start)}, place=(latitude + north, turned))

    assume(abs(latitude) > 0.01)  # 0/0 is an unknown position
    assume(abs(get_distance_m((latitude, 0), (latitude + north, east / math.cos(math.radians(latitude)))) - 200) > 1)
    assert decide(longitude) == decide(0.0) == decide(180.0)


@pytest.mark.parametrize(
    ("charge", "held"),
    [
        pytest.param({"level": 80, "chargeLimit": 80}, True, id="at the charge limit"),
        pytest.param({"level": 79.9, "chargeLimit": 80}, False, id="below the charge limit"),
        pytest.param({"level": 100, "chargeLimit": None}, True, id="full, with unknown limit"),
        pytest.param({"level": 99, "chargeLimit": None}, False, id="not full, with unknown limit"),
        pytest.param({"level": 60, "chargeLimit": 80, "isFullyCharged": True}, True, id="reported as fully charged"),
        pytest.param({"level": None, "chargeLimit": 80}, False, id="unknown level"),
    ],
)
def test_vehicle_that_was_charging_is_held_only_when_full(charge, held):
    vehicle = CorrectedVehicle()
    vehicle.report_charge("PLUGGED_IN:CHARGING", 0, level=60)
    vehicle.report_charge("UNPLUGGED", 10, **charge)
    assert vehicle.is_held is held


@pytest.mark.parametrize("charge", [{"level": 50}, {"level": None}, {"level": 50, "chargeLimit": None}], ids=str)
def test_vehicle_that_has_completed_its_charge_is_held_at_any_level(charge):
    assert is_held(before={"level": charge["level"]}, **charge)


@pytest.mark.parametrize(
    ("charge", "held"),
    [
        pytest.param({"powerDeliveryState": "UNPLUGGED", "isPluggedIn": None}, True, id="the state says so"),
        pytest.param({"powerDeliveryState": "UNKNOWN", "isPluggedIn": False}, True, id="only the flag says so"),
        pytest.param({"powerDeliveryState": None, "isPluggedIn": False}, True, id="only the flag says so, state null"),
        pytest.param({"powerDeliveryState": "UNKNOWN", "isPluggedIn": None}, False, id="nothing says so"),
        pytest.param({"powerDeliveryState": "UNKNOWN", "isPluggedIn": True}, False, id="the flag says plugged in"),
        pytest.param({"powerDeliveryState": "PLUGGED_IN:FAULT", "isPluggedIn": False}, False, id="another state"),
    ],
)
def test_vehicle_counts_as_unplugged_by_its_state_or_flag(charge, held):
    assert is_held(**charge) is held


@pytest.mark.parametrize("state", ["INITIALIZING", "STOPPED", "NO_POWER", "FAULT", "DISCHARGING"])
def test_vehicle_that_was_last_plugged_in_without_charging_is_not_held(state):
    vehicle = CorrectedVehicle()
    vehicle.report_charge("PLUGGED_IN:COMPLETE", 0)
    vehicle.report_charge(f"PLUGGED_IN:{state}", 5)
    vehicle.report_charge("UNPLUGGED", 10)
    assert not vehicle.is_held


@pytest.mark.parametrize(
    "groups", [{}, {"location": None, "odometer": None}, {"location": "odd", "odometer": 1}], ids=str
)
def test_vehicle_without_position_and_odometer_is_held(groups):
    vehicle = CorrectedVehicle()
    for minutes, state in ((0, "PLUGGED_IN:COMPLETE"), (10, "UNPLUGGED")):
        vehicle.report({"vendor": "XPENG", "chargeState": {"powerDeliveryState": state}} | groups, minutes)
    assert vehicle.is_held


@pytest.mark.parametrize(
    "unknown",
    [
        {"powerDeliveryState": "UNKNOWN", "isPluggedIn": None, "isCharging": None},
        {"powerDeliveryState": None, "isPluggedIn": None, "isCharging": None, "level": None},
        {"powerDeliveryState": "SOMETHING_NEW", "isPluggedIn": None, "isCharging": None},
    ],
    ids=str,
)
def test_unknown_state_in_between_does_not_end_the_correction(unknown):
    vehicle = CorrectedVehicle()
    vehicle.report_charge("PLUGGED_IN:COMPLETE", 0)
    for minutes in range(10, 60, 10):
        vehicle.report_charge("UNPLUGGED", minutes)
        assert vehicle.is_held
        shown = vehicle.report_charge("UNKNOWN", minutes + 5, **unknown)
        assert (vehicle.is_held, shown["isPluggedIn"]) == (False, None)


def test_move_in_an_unknown_state_ends_the_correction():
    vehicle = CorrectedVehicle()
    vehicle.report_charge("PLUGGED_IN:COMPLETE", 0)
    vehicle.report_charge("UNKNOWN", 10, isCharging=None, place=(52.1, 5.0), km=None)
    vehicle.report_charge("UNPLUGGED", 20, km=None)  # back at the same place, but not plugged in
    assert not vehicle.is_held


def test_position_of_a_later_charge_counts():
    vehicle = CorrectedVehicle()
    vehicle.report_charge("PLUGGED_IN:COMPLETE", 0, km=1000.0, place=(52.0, 5.0), level=80)
    vehicle.report_charge("PLUGGED_IN:COMPLETE", 60, km=1040.0, place=(52.5, 5.0), level=60)
    vehicle.report_charge("UNPLUGGED", 62, km=1040.0, place=(52.5, 5.0), level=60)
    assert vehicle.is_held


def test_vehicle_stays_held_after_the_level_fell_below_the_limit():
    vehicle = CorrectedVehicle()
    vehicle.report_charge("PLUGGED_IN:CHARGING", 0, level=80)
    for minutes, level in ((10, 80), (20, 79), (30, 78)):
        shown = vehicle.report_charge("UNPLUGGED", minutes, level=level, isCharging=None)
        assert vehicle.corrected.names == (HELD_RULE,)
        assert (shown["isPluggedIn"], shown["isCharging"], shown["batteryLevel"]) == (True, False, level)


def test_late_report_from_before_the_charge_is_not_held():
    vehicle = CorrectedVehicle()
    vehicle.report_charge("PLUGGED_IN:COMPLETE", 10)
    vehicle.report_charge("UNPLUGGED", 9)
    assert not vehicle.is_held
    vehicle.report_charge("UNPLUGGED", 12)
    assert vehicle.is_held


def test_late_report_of_the_charge_holds_the_report_that_came_before_it():
    vehicle = CorrectedVehicle()
    vehicle.report_charge("UNPLUGGED", 12)
    assert not vehicle.is_held
    vehicle.report_charge("PLUGGED_IN:COMPLETE", 10)
    assert vehicle.is_held


def test_another_vehicle_is_held_once_it_has_returned_twice_without_moving():
    vehicle = CorrectedVehicle(vendor="KIA")
    for minutes, held in ((0, False), (60, False), (120, True), (180, True)):
        vehicle.report_charge("PLUGGED_IN:COMPLETE", minutes)
        vehicle.report_charge("UNPLUGGED", minutes + 10)
        assert vehicle.is_held is held
        vehicle.report_charge("PLUGGED_IN:COMPLETE", minutes + 20)


def test_vehicle_that_drove_before_it_was_plugged_in_again_has_not_returned():
    vehicle = CorrectedVehicle(vendor="KIA")
    for minutes, km in ((0, 1000.0), (600, 1040.0), (1200, 1080.0), (1800, 1120.0)):
        vehicle.report_charge("PLUGGED_IN:COMPLETE", minutes, km=km)
        vehicle.report_charge("UNPLUGGED", minutes + 10, km=km)
        assert not vehicle.is_held


def test_vehicle_that_reports_neither_odometer_nor_position_has_not_returned():
    vehicle = CorrectedVehicle(vendor="KIA")
    for minutes in (0, 60, 120, 180):
        vehicle.report_charge("PLUGGED_IN:COMPLETE", minutes, km=None, place=(None, None))
        vehicle.report_charge("UNPLUGGED", minutes + 10, km=None, place=(None, None))
        assert not vehicle.is_held
        vehicle.report_charge("PLUGGED_IN:COMPLETE", minutes + 20, km=None, place=(None, None))


def test_another_vehicle_that_is_unplugged_long_after_it_was_full_is_shown_as_unplugged():
    vehicle = CorrectedVehicle(vendor="KIA")
    for minutes in (0, 600, 1200, 1800):
        vehicle.report_charge("PLUGGED_IN:COMPLETE", minutes)
        vehicle.report_charge("UNPLUGGED", minutes + 61)
        assert not vehicle.is_held
        vehicle.report_charge("PLUGGED_IN:COMPLETE", minutes + 120)
        vehicle.report_charge("PLUGGED_IN:STOPPED", minutes + 180)


def test_another_vehicle_is_held_while_its_charger_is_named():
    vehicle = CorrectedVehicle(vendor="KIA")
    vehicle.report_charge("PLUGGED_IN:COMPLETE", 0)
    vehicle.report_charge("UNPLUGGED", 10, pluggedInChargerId="d5bd4771-864e-4ca5-b913-dfb5cdd34bf3")
    assert vehicle.is_held
    vehicle.report_charge("UNPLUGGED", 20)
    assert not vehicle.is_held


CHARGER = "d5bd4771-864e-4ca5-b913-dfb5cdd34bf3"


@pytest.mark.parametrize("state", ["PLUGGED_IN:STOPPED", "PLUGGED_IN:INITIALIZING", "PLUGGED_IN:NO_POWER"])
def test_vehicle_that_is_not_full_is_held_as_stopped_while_its_charger_is_named(state):
    vehicle = CorrectedVehicle(vendor="KIA")
    vehicle.report_charge(state, 0, level=60, pluggedInChargerId=CHARGER)
    charge = vehicle.report_charge("UNPLUGGED", 10, level=60, pluggedInChargerId=CHARGER)
    assert vehicle.is_held
    shown = (charge["powerDeliveryState"], charge["isPluggedIn"], charge["isCharging"])
    assert shown == ("PLUGGED_IN:STOPPED", True, False)


def test_vehicle_that_is_full_is_held_as_complete_while_its_charger_is_named():
    vehicle = CorrectedVehicle(vendor="KIA")
    vehicle.report_charge("PLUGGED_IN:COMPLETE", 0, pluggedInChargerId=CHARGER)
    charge = vehicle.report_charge("UNPLUGGED", 10, pluggedInChargerId=CHARGER)
    shown = (charge["powerDeliveryState"], charge["isPluggedIn"], charge["isCharging"])
    assert shown == ("PLUGGED_IN:COMPLETE", True, False)


def test_charger_that_appears_at_another_place_proves_the_cable_there():
    vehicle = CorrectedVehicle(vendor="KIA")
    vehicle.report_charge("PLUGGED_IN:COMPLETE", 0, km=1000.0)
    vehicle.report_charge("UNPLUGGED", 60, km=1040.0, place=(52.5, 5.0), pluggedInChargerId=CHARGER)
    assert vehicle.is_held


@pytest.mark.parametrize("before", ["UNPLUGGED", None])
def test_charger_that_appears_proves_that_the_cable_is_in(before):
    vehicle = CorrectedVehicle(vendor="KIA")
    if before:
        vehicle.report_charge(before, 0)
    vehicle.report_charge("UNPLUGGED", 10, pluggedInChargerId=CHARGER)
    assert vehicle.is_held
    vehicle.report_charge("UNPLUGGED", 20, pluggedInChargerId=CHARGER)
    assert vehicle.is_held


def test_charger_that_is_still_named_on_a_drive_proves_nothing():
    vehicle = CorrectedVehicle(vendor="KIA")
    vehicle.report_charge("PLUGGED_IN:COMPLETE", 0, pluggedInChargerId=CHARGER)
    for minutes in (10, 20, 30):
        vehicle.report_charge("UNPLUGGED", minutes, km=1000.0 + minutes, pluggedInChargerId=CHARGER)
        assert not vehicle.is_held


@pytest.mark.parametrize(("place", "km", "held"), [((52.0, 5.0), None, True), ((None, None), None, False)])
def test_vehicle_that_stands_at_its_charger_may_use_energy(place, km, held):
    vehicle = CorrectedVehicle(vendor="KIA")
    vehicle.report_charge("PLUGGED_IN:COMPLETE", 0, km=km, place=place, pluggedInChargerId=CHARGER)
    vehicle.report_charge("UNPLUGGED", 120, level=76, km=km, place=place, pluggedInChargerId=CHARGER)
    assert vehicle.is_held is held
