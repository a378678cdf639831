"""The estimated charge rate and the corrected isCharging: the edges of each condition."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.vehicles.corrections import derive_corrections
from relay.vehicles.merge import merge_report
from relay.vehicles.models import CorrectionOverlay, VehicleReport, VehicleState
from relay.vehicles.plausibility.charge_rate import (
    EstimateMemory,
    FastCharge,
    is_rate_in_watts,
    remove_stale_companions,
    update_fast_charge,
)
from relay.vehicles.plausibility.raw_samples import ChargeMembers
from relay.vehicles.plausibility.stage import PlausibilityMemory
from tests.relay.support.corrected_vehicle import CHARGE_RATE_RULE, HELD_RULE, IS_CHARGING_RULE, NOON, CorrectedVehicle


def at(minutes):
    return NOON + timedelta(minutes=minutes)


def get_rates(*reports, **charge):
    """The rates shown for reports of (level, minute) of a charging vehicle with a battery of 60 kWh."""
    vehicle, rates = CorrectedVehicle(vendor="NISSAN"), []
    for level, minutes in reports:
        charge = {"chargeRate": None} | charge
        rates.append(vehicle.report_charge("PLUGGED_IN:CHARGING", minutes, level=level, **charge)["chargeRate"])
        assert ("chargeRate:estimated" in vehicle.corrected.names) is (rates[-1] is not None)
    return rates


def test_names_of_corrections_are_part_of_the_api():
    names = HELD_RULE, IS_CHARGING_RULE, CHARGE_RATE_RULE
    assert names == ("powerDeliveryState:held", "isCharging:powerDeliveryState", "chargeRate:estimated")


@pytest.mark.parametrize(
    ("reports", "rate"),
    [
        pytest.param([(50, 0), (51, 5), (52, 15)], 3.6, id="1 point in exactly ten minutes"),
        pytest.param([(50, 0), (51, 5), (52, 14.99)], None, id="less than ten minutes"),
        pytest.param([(50, 0), (51, 5), (52, 10), (53, 15)], 7.2, id="2 points in ten minutes, in two steps"),
        pytest.param([(50, 0), (51, 5), (52, 15), (53, 35)], 1.8, id="the newest estimate starts at the last one"),
        pytest.param([(50, 0), (51, 5), (52, 15), (53, 20)], 3.6, id="a rise soon after keeps the estimate"),
        pytest.param([(50, 0), (51, 5)], None, id="a single rise"),
        pytest.param([(50, 0), (50, 5), (51, 10), (51, 15), (52, 20)], 3.6, id="equal levels in between"),
        pytest.param([(50, 0), (51, 5), (52, 15), (52, 75)], 3.6, id="an hour without a rise"),
        pytest.param([(50, 0), (51, 5), (52, 15), (52, 75.1)], None, id="over an hour without a rise"),
        pytest.param([(50, 0), (51, 5), (52, 15), (52, 76), (53, 77)], 0.6, id="a rise after over an hour"),
        pytest.param([(50, 0), (51, 5), (52, 15), (51, 16)], None, id="a falling level"),
        pytest.param([(50, 0), (51, 5), (47, 15), (48, 20), (49, 30)], 3.6, id="a start again after a falling level"),
        pytest.param([(50, 0), (51, 5), (47, 15), (48, 25)], None, id="a first rise after a falling level"),
        pytest.param([(50, 0), (51, 5), (51.5, 15)], 1.8, id="half a point"),
        pytest.param([(0, 0), (1, 5), (2, 15)], 3.6, id="an empty battery"),
        pytest.param([(10, 0), (11, 5), (90, 16)], 258.5, id="rounded to a tenth of a kilowatt"),
    ],
)
def test_rate_is_estimated_between_rises_at_least_ten_minutes_apart(reports, rate):
    assert get_rates(*reports)[-1] == rate


@pytest.mark.parametrize(
    ("capacity", "rate"),
    [(2000, 120.0), (2001, None), (0.9, 0.1), (0, None), (-60, None), (None, None), ("60", None)],
    ids=["2 MWh", "an impossible capacity", "0.1 kW", "no capacity", "a negative capacity", "unknown", "a text"],
)
def test_rate_is_estimated_only_with_a_possible_capacity(capacity, rate):
    assert get_rates((50, 0), (51, 5), (52, 15), batteryCapacity=capacity)[-1] == rate


@pytest.mark.parametrize(("capacity", "rate"), [(400, 400.0), (401, None)])
def test_rate_of_exactly_400_kilowatts_is_shown(capacity, rate):
    assert get_rates((10, 0), (11, 5), (61, 35), batteryCapacity=capacity)[-1] == rate


def test_same_state_again_keeps_the_estimate():
    vehicle = CorrectedVehicle(vendor="NISSAN")
    for level, minutes in ((50, 0), (51, 5), (52, 15)):
        vehicle.report_charge("PLUGGED_IN:CHARGING", minutes, level=level, chargeRate=None)
    assert vehicle.charge_state["chargeRate"] == 3.6
    assert derive_corrections(vehicle.state, vehicle.plausibility, vehicle.corrected.memory) == vehicle.corrected


def test_implausible_estimate_replaces_the_last_one():
    assert get_rates((10, 0), (11, 5), (12, 15), (96, 25.1), batteryCapacity=100)[-2:] == [6.0, None]


@pytest.mark.parametrize(
    ("charge", "rate"),
    [
        pytest.param({}, 3.6, id="charging"),
        pytest.param({"isPluggedIn": None}, 3.6, id="charging, plug unknown"),
        pytest.param({"isPluggedIn": False}, None, id="charging, but unplugged"),
        pytest.param({"isCharging": None}, None, id="charging unknown"),
        pytest.param({"chargeRate": 0}, 0, id="a reported rate of zero"),
        pytest.param({"chargeRate": 7.4}, 7.4, id="a reported rate"),
        pytest.param({"level": None}, None, id="an unknown level"),
    ],
)
def test_rate_is_estimated_only_while_charging_without_a_reported_rate(charge, rate):
    vehicle = CorrectedVehicle(vendor="NISSAN")
    for level, minutes in ((50, 0), (51, 5)):
        vehicle.report_charge("PLUGGED_IN:CHARGING", minutes, level=level, chargeRate=None)
    charge = {"level": 52, "chargeRate": None} | charge
    assert vehicle.report_charge("PLUGGED_IN:CHARGING", 15, **charge)["chargeRate"] == rate
    assert (CHARGE_RATE_RULE in vehicle.corrected.names) is (rate == 3.6)


def test_memory_has_the_last_level_its_last_rise_and_where_the_estimate_starts():
    vehicle = CorrectedVehicle(vendor="NISSAN")
    memories = []
    for level, minutes in ((50, 0), (51, 5), (52, 15), (52, 20)):
        vehicle.report_charge("PLUGGED_IN:CHARGING", minutes, level=level, chargeRate=None)
        memories.append(vehicle.plausibility.estimate)
    assert memories == [
        EstimateMemory(at=at(0), level=50),
        EstimateMemory(at=at(5), level=51, rose_at=at(5), begun_at=at(5), begun=51),
        EstimateMemory(at=at(15), level=52, rose_at=at(15), begun_at=at(15), begun=52, rate=3.6),
        EstimateMemory(at=at(20), level=52, rose_at=at(15), begun_at=at(15), begun=52, rate=3.6),
    ]


def test_late_report_has_the_same_estimate_as_one_in_time():
    late, in_time = CorrectedVehicle(vendor="NISSAN"), CorrectedVehicle(vendor="NISSAN")
    reports = [(50, 0), (51, 5), (52, 15)]
    for vehicle, order in ((in_time, reports), (late, [reports[0], reports[2], reports[1]])):
        for level, minutes in order:
            vehicle.report_charge("PLUGGED_IN:CHARGING", minutes, level=level, chargeRate=None)
    assert late.charge_state["chargeRate"] == in_time.charge_state["chargeRate"] == 3.6


@given(st.integers(1, 20), st.integers(10, 60), st.integers(10, 120))
def test_rate_is_capacity_times_rise_over_time(points, minutes, capacity):
    rates = get_rates((10, 0), (11, 5), (11 + points, 5 + minutes), batteryCapacity=capacity)
    expected = capacity * points / 100 * 60 / minutes
    assert rates[-1] == (pytest.approx(expected, abs=0.051) if round(expected, 3) <= 400 else None)


IS_CHARGING_CASES = [
    # powerDeliveryState, isCharging, isPluggedIn, shown
    ("PLUGGED_IN:NO_POWER", True, True, False),
    ("PLUGGED_IN:NO_POWER", True, None, False),
    ("UNPLUGGED", True, None, False),
    ("UNPLUGGED", True, True, False),
    ("PLUGGED_IN:INITIALIZING", True, False, False),
    (None, True, False, False),
    (None, True, None, True),
    ("PLUGGED_IN:CHARGING", True, False, False),
    ("PLUGGED_IN:CHARGING", True, True, True),
    ("PLUGGED_IN:CHARGING", False, None, True),
    ("PLUGGED_IN:CHARGING", False, False, False),
    ("PLUGGED_IN:CHARGING", None, True, None),
    ("PLUGGED_IN:STOPPED", False, True, False),
    ("UNPLUGGED", False, False, False),
    (None, False, None, False),
]


@pytest.mark.parametrize(("state", "is_charging", "plugged_in", "shown"), IS_CHARGING_CASES)
def test_contradicted_is_charging_is_corrected(state, is_charging, plugged_in, shown):
    vehicle = CorrectedVehicle(vendor="KIA")
    charge = {"powerDeliveryState": state, "isCharging": is_charging, "isPluggedIn": plugged_in, "chargeRate": None}
    assert vehicle.report_charge("UNKNOWN", 0, **charge)["isCharging"] is shown
    assert (IS_CHARGING_RULE in vehicle.corrected.names) is (shown != is_charging)


def test_later_rules_see_the_corrections_of_earlier_ones():
    vehicle = CorrectedVehicle()
    rates = [
        vehicle.report_charge("PLUGGED_IN:CHARGING", minutes, level=level, isCharging=False, chargeRate=None)
        for level, minutes in ((50, 0), (51, 5), (52, 15))
    ]
    assert rates[-1]["chargeRate"] == 3.6
    assert vehicle.corrected.names == (IS_CHARGING_RULE, CHARGE_RATE_RULE)


@pytest.mark.parametrize("charge", [None, {}, {"powerDeliveryState": "UNKNOWN"}], ids=str)
def test_charge_state_that_is_missing_or_of_unknown_time_keeps_the_memory_and_corrects_nothing(charge):
    """A `discovered` event's empty charge state has no time of its own."""
    report = VehicleReport(
        enode_vehicle_id="car",
        created_at=NOON,
        event_id=1,
        is_partial=True,
        vehicle={"vendor": "XPENG", "chargeState": charge},
    )
    memory = {"a rule": {"a": 1}}
    for state in (VehicleState(), merge_report(VehicleState(), report)):
        assert derive_corrections(state, PlausibilityMemory(), memory) == CorrectionOverlay(memory=memory)


@pytest.mark.parametrize(
    ("rate", "estimated", "expected"),
    [
        (500, 0.25, True),
        (500, 0.249, False),
        (500, 1.0, True),
        (500, 1.001, False),
        (499, 0.5, False),
        (-7200, 7.2, True),
        (7200, None, False),
        (None, 7.2, False),
    ],
)
def test_rate_is_in_watts_if_the_level_rises_half_to_twice_as_fast(rate, estimated, expected):
    assert is_rate_in_watts(rate, estimated) is expected


def test_stale_rate_and_remaining_time_are_removed_and_named():
    stale = ChargeMembers(level=50, rate=7.2, minutes_left=30)
    names = ("chargeRate:notCharging", "chargeTimeRemaining:notCharging")
    assert remove_stale_companions(stale, charging=False) == (ChargeMembers(level=50), names)
    assert remove_stale_companions(stale, charging=None) == (ChargeMembers(level=50), names)
    assert remove_stale_companions(stale, charging=True) == (stale, ())
    zero = ChargeMembers(rate=0.0)
    assert remove_stale_companions(zero, charging=False) == (zero, ())


def test_smallest_rate_since_a_fast_charge_began_is_remembered():
    at = datetime(2026, 11, 23, 12, tzinfo=UTC)
    memory = None
    for minutes, rate in ((0, 900), (1, 600), (2, 800)):
        charge = ChargeMembers(state="PLUGGED_IN:CHARGING", level=50 + minutes, rate=rate)
        memory = update_fast_charge(memory, at + timedelta(minutes=minutes), charge)
    assert memory == FastCharge(since=at, level=50, rate=600)
