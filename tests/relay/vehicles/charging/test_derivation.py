"""Which sessions follow from what a car says: the cases that people know, and what holds of all others."""

import itertools
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.vehicles.charging.derivation import DerivationState, derive_periods
from relay.vehicles.charging.samples import VehiclePlace
from tests.relay.support.charging import (
    BATTERY,
    as_set,
    at,
    charges,
    drives,
    histories,
    readings,
    rests,
    sample,
    sessions,
)


def span(session):
    return session.started_at, session.ended_at


def test_a_night_at_the_wall_box_by_power():
    [it] = sessions(drives(0, 40), charges(10, 40, 11), charges(20, 43, 11), charges(30, 47, 7.4), rests(40, 50))
    assert span(it) == (at(10), at(40))
    assert (it.open, it.soc_start, it.soc_end, it.peak_kw) == (False, 40, 50, 11)
    assert (it.energy_source, it.energy_kwh) == ("power", pytest.approx((11 + 11 + 7.4) / 6))


def test_a_session_is_there_as_soon_as_it_begins_and_open_as_long_as_it_lasts():
    [it] = sessions(rests(0, 40), charges(5, 40, 11))
    assert (it.open, span(it), it.energy_kwh) == (True, (at(5), at(5)), None)
    [it] = sessions(rests(0, 40), charges(5, 40, 11), charges(15, 42, 11))
    assert (it.open, span(it), it.energy_kwh) == (True, (at(5), at(15)), pytest.approx(11 / 6))


def test_without_power_it_is_capacity_times_level():
    [it] = sessions(charges(0, 40), charges(30, 44), charges(60, 50), rests(65, 50))
    assert (it.energy_source, it.energy_kwh) == ("soc", pytest.approx(0.10 * BATTERY))


def test_power_for_a_part_and_level_for_the_rest_is_mixed_and_counts_nothing_twice():
    [it] = sessions(charges(0, 40, 11), charges(10, 44), charges(130, 60), rests(135, 60))
    assert it.energy_source == "mixed"
    assert it.energy_kwh == pytest.approx(11 / 6 + 0.16 * BATTERY)


def test_over_a_long_silence_the_level_measures_not_the_power():
    [it] = sessions(charges(0, 40, 11), rests(300, 50))
    assert (it.energy_source, it.energy_kwh) == ("soc", pytest.approx(0.10 * BATTERY))


def test_a_capacity_that_nobody_knows_gives_a_session_without_energy():
    [it] = sessions(charges(0, 40, capacity=None), rests(30, 60, capacity=None))
    assert (it.energy_kwh, it.energy_source, it.soc_end) == (None, "none", 60)


def test_a_capacity_once_told_is_known_from_then_on():
    [it] = sessions(drives(-9000), charges(0, 40, capacity=None), rests(30, 60, capacity=None))
    assert it.energy_kwh == pytest.approx(0.20 * BATTERY)


@pytest.mark.parametrize(
    "samples",
    [
        [drives(0, 20), charges(7, 45), drives(14, 60)],
        [drives(0, 20), sample(14, False, 60, plugged=True)],
        [drives(0, 20), charges(14, 60)],
        [drives(0, 20), drives(14, 60)],
        [sample(0, None, 20), sample(14, None, 60)],
    ],
)
def test_a_short_dc_session_is_seen_though_only_two_samples_show_it(samples):
    [it] = sessions(*samples)
    assert span(it) == (at(0), samples[-1].at) or it.started_at == at(0)
    assert (it.soc_start, it.soc_end, it.energy_kwh) == (20, 60, pytest.approx(0.4 * BATTERY))


def test_it_charged_where_it_was_plugged_in_not_where_it_came_from():
    road, charger = VehiclePlace(latitude=1, longitude=1), VehiclePlace(latitude=2, longitude=2, odometer_km=5)
    [it] = sessions(drives(0, 20, place=road), charges(7, 45, place=charger), drives(14, 45, place=road))
    assert it.place == charger


def test_a_place_told_late_is_the_place():
    charger = VehiclePlace(latitude=2, longitude=2, odometer_km=5)
    [it] = sessions(
        charges(0, 20, 11), charges(7, 22, 11, place=charger), rests(14, 24, place=VehiclePlace(latitude=9))
    )
    assert it.place == charger


def test_a_downhill_ride_is_no_session():
    assert sessions(drives(0, 50), drives(5, 52), drives(10, 54), drives(20, 53)) == []


def test_a_parked_car_that_claims_to_charge_now_and_then_makes_no_session():
    flaps = [charges(n, 80) if n % 10 else rests(n, 80) for n in range(0, 2880, 5)]
    wavers = [charges(n, 80 - n % 2) if n % 10 else rests(n, 80) for n in range(0, 2880, 5)]
    assert sessions(*flaps) == []
    assert sessions(*wavers) == []


def test_a_real_charge_after_claims_begins_when_it_begins():
    flaps = [charges(n, 80) if n % 10 else rests(n, 80) for n in range(0, 300, 5)]
    [it] = sessions(*flaps, rests(300, 80), charges(310, 80), charges(340, 84), rests(345, 84))
    assert span(it) == (at(310), at(345))
    assert it.energy_kwh == pytest.approx(0.04 * BATTERY)


def test_a_short_pause_ends_nothing_and_a_long_one_does():
    short = [charges(0, 40, 11), rests(20, 44), charges(45, 44, 11), rests(65, 48)]
    long = [charges(0, 40, 11), rests(20, 44), charges(60, 44, 11), rests(80, 48)]
    [it] = sessions(*short)
    assert span(it) == (at(0), at(65))
    assert it.energy_kwh == pytest.approx(11 * 40 / 60)
    assert [span(it) for it in sessions(*long)] == [(at(0), at(20)), (at(60), at(80))]


def test_unplugged_in_between_is_two_sessions():
    found = sessions(charges(0, 40, 11), drives(10, 42), charges(20, 41, 11), rests(30, 43))
    assert [span(it) for it in found] == [(at(0), at(10)), (at(20), at(30))]


def test_solar_charging_on_and_off_is_one_session_and_loses_nothing():
    samples = [charges(n, 40 + n // 20) if n % 20 == 0 else rests(n, 40 + n // 20) for n in range(0, 200, 10)]
    [it] = sessions(*samples)
    assert it.energy_kwh == pytest.approx(BATTERY * 9 / 100)


def test_unknowns_in_between_change_nothing():
    without = [charges(0, 40, 11), charges(20, 44, 11), rests(30, 46)]
    [it] = sessions(*without, sample(10), sample(25))
    [expected] = sessions(*without)
    assert (span(it), it.energy_kwh) == (span(expected), pytest.approx(expected.energy_kwh))


def test_a_silence_of_eight_hours_is_bridged_and_a_longer_one_is_not():
    [it] = sessions(charges(0, 20), charges(480, 70), rests(490, 70))
    assert it.energy_kwh == pytest.approx(0.5 * BATTERY)
    assert sessions(charges(0, 20), rests(481, 70)) == []
    first, second = sessions(charges(0, 20, 7), charges(10, 22, 7), charges(900, 80, 7))
    assert (span(first), first.open, span(second), second.open) == ((at(0), at(10)), False, (at(900), at(900)), True)


def test_a_car_that_tells_neither_power_nor_level_is_believed_after_ten_minutes():
    assert sessions(charges(0), rests(9)) == []
    [it] = sessions(charges(0), rests(10))
    assert (it.energy_kwh, it.energy_source) == (None, "none")


def test_a_fall_proves_that_it_did_not_charge():
    [it] = sessions(charges(0, 80, 11), charges(10, 83, 11), drives(20, 70))
    assert span(it) == (at(0), at(10))


@given(histories, st.randoms())
def test_any_order_and_any_repetition_of_the_same_samples_end_in_the_same_sessions(them, random):
    again = [*them, *random.sample(them, len(them) // 2)]
    random.shuffle(again)
    assert as_set(again) == as_set(them)
    assert sessions(*again) == sessions(*them)


@given(histories, st.integers(0, 25))
def test_samples_folded_away_change_nothing_that_follows(them, cut):
    them = as_set(them)
    whole, end = derive_periods(DerivationState(), them)
    before, base = derive_periods(DerivationState(), them[:cut])
    after, same_end = derive_periods(base, them[cut:])
    assert same_end == end
    kept = [it for it in whole if not after or it.started_at < after[0].started_at]
    gone = [it for it in before if base.period is None or it.started_at < base.period.started_at]
    assert kept[: len(gone)] == gone
    assert [*gone, *after] == whole


@given(histories)
def test_sessions_are_in_order_and_apart_and_never_give_energy_back(them):
    found = sessions(*them)
    for one, next_one in itertools.pairwise(found):
        assert one.ended_at <= next_one.started_at
        assert not one.open
    for it in found:
        assert it.started_at <= it.ended_at
        assert it.energy_kwh is None or it.energy_kwh >= 0
        assert (it.energy_kwh is None) == (it.energy_source == "none")
        hours = (it.ended_at - it.started_at).total_seconds() / 3600
        assert (it.energy_kwh or 0) <= BATTERY * len(them) + (it.peak_kw or 0) * hours + 1e-9


@given(st.lists(st.tuples(st.booleans(), st.integers(-1, 1)), min_size=2, max_size=200))
def test_no_flapping_of_a_parked_car_makes_more_than_a_point_of_phantom_charge(flaps):
    samples = [sample(5 * n, on, 80.0 + waver, plugged=True) for n, (on, waver) in enumerate(flaps)]
    assert all(it.soc_gain <= 2 for it in sessions(*samples))


@given(readings, readings, readings)
def test_what_is_said_of_one_moment_becomes_one_sample_in_any_order(one, two, three):
    two, three = (replace(it, at=one.at) for it in (two, three))
    if len({one.version, two.version, three.version}) == 3:
        assert as_set([one, two, three]) == as_set([three, two, one]) == as_set([two, one, three, one])
