"""Discharging (V2L, V2H, V2G) is a session kind of its own, and a round trip nets nothing away."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.vehicles.charging.derivation import DerivationState
from tests.relay.support.charging import (
    BATTERY_KWH,
    PLACE,
    at,
    charging,
    derive_periods,
    derive_sessions,
    merge_by_time,
    stopped,
)


def discharging(minutes, soc=None, power=None, **more):
    sample = stopped(minutes, soc, **more)
    return replace(sample, reading=replace(sample.reading, discharging=True, discharge_kw=power))


def summarize(*samples):
    return [
        (period.kind, period.started_at, period.ended_at, pytest.approx(period.energy_kwh))
        for period in derive_sessions(*samples)
    ]


def test_round_trip_is_a_session_of_each_kind_and_nets_nothing_away():
    samples = [
        charging(0, 40, 10), charging(30, 50, 10), stopped(60, 60), discharging(70, 60, 5), discharging(100, 55, 5),
        stopped(130, 50), charging(140, 50, 10), stopped(170, 60),
    ]  # fmt: skip
    assert summarize(*samples) == [
        ("charge", at(0), at(60), 10),
        ("discharge", at(70), at(130), 5),
        ("charge", at(140), at(170), 5),
    ]


def test_discharging_that_follows_charging_at_once_counts_both():
    samples = [charging(0, 40, 10), discharging(30, 50, 10), charging(60, 40, 10), stopped(90, 50)]
    assert summarize(*samples) == [
        ("charge", at(0), at(30), 5),
        ("discharge", at(30), at(60), 5),
        ("charge", at(60), at(90), 5),
    ]
    [_, newest] = derive_sessions(*samples[:2])
    assert (newest.kind, newest.open, newest.peak_kw) == ("discharge", True, 10)


def test_levels_and_measures_of_a_discharge_are_those_of_the_battery():
    [by_level] = derive_sessions(discharging(0, 80, place=PLACE), discharging(20, 77), stopped(40, 70))
    assert (by_level.levels, by_level.energy_kwh, by_level.energy_source) == ((80, 70), pytest.approx(5), "soc")
    assert (by_level.place, by_level.open, by_level.is_estimated) == (PLACE, False, False)
    [by_power] = derive_sessions(discharging(0, 80, 6), stopped(30, 74))
    assert (by_power.levels, by_power.peak_kw, by_power.energy_kwh) == ((80, 74), 6, pytest.approx(3))
    [impossible] = derive_sessions(discharging(0, 80, 60), stopped(30, 74))
    assert (impossible.energy_kwh, impossible.is_estimated) == (pytest.approx(3), True)


def test_discharge_resumes_after_a_short_pause():
    samples = [discharging(0, 80, 6), stopped(30, 74), discharging(50, 74, 6), stopped(80, 68)]
    assert summarize(*samples) == [("discharge", at(0), at(80), 6)]


def test_level_that_falls_without_a_report_of_discharging_is_no_session():
    assert derive_sessions(stopped(0, 80), stopped(60, 60)) == []


def test_discharging_reported_before_a_silence_counts_unless_the_car_was_driven():
    elsewhere = replace(PLACE, odometer_km=150.0)
    [parked] = derive_sessions(discharging(0, 80, place=PLACE), stopped(120, 60, place=PLACE))
    assert (parked.energy_kwh, parked.is_estimated) == (pytest.approx(10), True)
    assert derive_sessions(discharging(0, 80, place=PLACE), stopped(120, 60, place=elsewhere)) == []


def test_reading_that_says_both_counts_as_discharging():
    both = [replace(each, reading=replace(each.reading, charging=True, power_kw=7.0)) for each in (
        discharging(0, 80, 6), discharging(30, 74, 6))]  # fmt: skip
    assert [period.kind for period in derive_sessions(*both, stopped(60, 68))] == ["discharge"]


@given(st.lists(st.tuples(st.sampled_from([charging, discharging, stopped]), st.integers(1, 30)), max_size=20))
def test_energy_of_each_kind_is_what_went_in_and_what_went_out(states):
    level, minutes, totals, samples = 500.0, 0, {charging: 0.0, discharging: 0.0, stopped: 0.0}, []
    signs = {charging: 1, discharging: -1, stopped: 0}
    for make, duration in states:
        power = [] if make is stopped else [10]
        samples.append(make(minutes, level, *power, capacity=BATTERY_KWH))
        kwh = 10 * duration / 60
        totals[make] += kwh
        level += signs[make] * kwh / BATTERY_KWH * 100
        minutes += duration
    samples.append(stopped(minutes, level))
    samples = [replace(each, reading=replace(each.reading, soc=each.reading.soc / 10)) for each in samples]
    samples = [replace(each, reading=replace(each.reading, capacity_kwh=BATTERY_KWH * 10)) for each in samples]
    periods = derive_periods(DerivationState(), merge_by_time(samples))[0]
    for make, kind in ((charging, "charge"), (discharging, "discharge")):
        assert sum(period.energy_kwh for period in periods if period.kind == kind) == pytest.approx(totals[make])
