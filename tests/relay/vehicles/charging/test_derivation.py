"""Which charging sessions follow from samples: typical cases, and properties that hold for any samples."""

import itertools
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.vehicles.charging.derivation import DerivationState
from relay.vehicles.charging.samples import VehiclePlace
from tests.relay.support.charging import (
    BATTERY_KWH,
    at,
    charging,
    derive_periods,
    derive_sessions,
    histories,
    make_sample,
    merge_by_time,
    random_samples,
    stopped,
    unplugged,
)


def get_span(session):
    return session.started_at, session.ended_at


def test_overnight_charge_with_reported_power_is_one_session_measured_by_power():
    [session] = derive_sessions(
        unplugged(0, 40), charging(10, 40, 11), charging(20, 43, 11), charging(30, 47, 7.4), stopped(40, 50)
    )
    assert get_span(session) == (at(10), at(40))
    assert (session.open, session.soc_start, session.soc_end, session.peak_kw) == (False, 40, 50, 11)
    assert (session.energy_source, session.energy_kwh) == ("power", pytest.approx((11 + 11 + 7.4) / 6))


def test_session_appears_with_its_first_sample_and_is_open_while_it_lasts():
    [session] = derive_sessions(stopped(0, 40), charging(5, 40, 11))
    assert (session.open, get_span(session), session.energy_kwh) == (True, (at(5), at(5)), None)
    [session] = derive_sessions(stopped(0, 40), charging(5, 40, 11), charging(15, 43, 11))
    assert (session.open, get_span(session), session.energy_kwh) == (True, (at(5), at(15)), pytest.approx(11 / 6))


def test_energy_without_power_is_capacity_times_rise_of_level():
    [session] = derive_sessions(charging(0, 40), charging(30, 44), charging(60, 50), stopped(65, 50))
    assert (session.energy_source, session.energy_kwh) == ("soc", pytest.approx(0.10 * BATTERY_KWH))


def test_energy_partly_by_power_and_partly_by_level_is_mixed_and_counted_once():
    [session] = derive_sessions(charging(0, 40, 11), charging(10, 44), charging(130, 60), stopped(135, 60))
    assert session.energy_source == "mixed"
    assert session.energy_kwh == pytest.approx(11 / 6 + 0.16 * BATTERY_KWH)


def test_energy_over_a_long_silence_is_measured_by_level():
    [session] = derive_sessions(charging(0, 40, 11), stopped(300, 50))
    assert (session.energy_source, session.energy_kwh) == ("soc", pytest.approx(0.10 * BATTERY_KWH))


def test_session_with_unknown_capacity_has_no_energy():
    [session] = derive_sessions(charging(0, 40, capacity=None), stopped(30, 60, capacity=None))
    assert (session.energy_kwh, session.energy_source, session.soc_end) == (None, "none", 60)


def test_capacity_of_an_earlier_sample_is_still_used():
    [session] = derive_sessions(unplugged(-9000), charging(0, 40, capacity=None), stopped(30, 60, capacity=None))
    assert session.energy_kwh == pytest.approx(0.20 * BATTERY_KWH)


@pytest.mark.parametrize(
    "samples",
    [
        [unplugged(0, 20), charging(7, 45), unplugged(14, 60)],
        [unplugged(0, 20), make_sample(14, False, 60, plugged=True)],
        [unplugged(0, 20), charging(14, 60)],
        [unplugged(0, 20), unplugged(14, 60)],
        [make_sample(0, None, 20), make_sample(14, None, 60)],
    ],
)
def test_short_dc_charge_between_two_samples_is_a_session(samples):
    [session] = derive_sessions(*samples)
    assert get_span(session) == (at(0), samples[-1].at) or session.started_at == at(0)
    assert (session.soc_start, session.soc_end, session.energy_kwh) == (20, 60, pytest.approx(0.4 * BATTERY_KWH))


def test_place_is_where_the_vehicle_charged_not_where_it_was_before():
    road, charger = VehiclePlace(latitude=1, longitude=1), VehiclePlace(latitude=2, longitude=2, odometer_km=5)
    [session] = derive_sessions(
        unplugged(0, 20, place=road), charging(7, 45, place=charger), unplugged(14, 45, place=road)
    )
    assert session.place == charger


def test_place_of_a_later_charging_sample_fills_an_unknown_place():
    charger = VehiclePlace(latitude=2, longitude=2, odometer_km=5)
    [session] = derive_sessions(
        charging(0, 20, 11), charging(7, 22, 11, place=charger), stopped(14, 24, place=VehiclePlace(latitude=9))
    )
    assert session.place == charger


def test_recuperation_downhill_is_not_a_session():
    assert derive_sessions(unplugged(0, 50), unplugged(5, 52), unplugged(10, 54), unplugged(20, 53)) == []


def test_parked_vehicle_that_falsely_reports_charging_has_no_session():
    false_reports = [charging(n, 80) if n % 10 else stopped(n, 80) for n in range(0, 2880, 5)]
    fluctuating = [charging(n, 80 - n % 2) if n % 10 else stopped(n, 80) for n in range(0, 2880, 5)]
    assert derive_sessions(*false_reports) == []
    assert derive_sessions(*fluctuating) == []


def test_real_charge_after_false_reports_starts_at_its_own_start():
    false_reports = [charging(n, 80) if n % 10 else stopped(n, 80) for n in range(0, 300, 5)]
    [session] = derive_sessions(
        *false_reports, stopped(300, 80), charging(310, 80), charging(340, 84), stopped(345, 84)
    )
    assert get_span(session) == (at(310), at(345))
    assert session.energy_kwh == pytest.approx(0.04 * BATTERY_KWH)


def test_only_a_pause_over_30_minutes_ends_a_session():
    short = [charging(0, 40, 11), stopped(20, 47), charging(45, 47, 11), stopped(65, 54)]
    long = [charging(0, 40, 11), stopped(20, 47), charging(60, 47, 11), stopped(80, 54)]
    [session] = derive_sessions(*short)
    assert get_span(session) == (at(0), at(65))
    assert session.energy_kwh == pytest.approx(11 * 40 / 60)
    assert [get_span(session) for session in derive_sessions(*long)] == [(at(0), at(20)), (at(60), at(80))]


def test_unplugging_in_between_makes_two_sessions():
    sessions = derive_sessions(charging(0, 40, 11), unplugged(10, 42), charging(20, 41, 11), stopped(30, 43))
    assert [get_span(session) for session in sessions] == [(at(0), at(10)), (at(20), at(30))]


def test_solar_charging_with_short_pauses_is_one_session_with_all_energy():
    samples = [charging(n, 40 + n // 20) if n % 20 == 0 else stopped(n, 40 + n // 20) for n in range(0, 200, 10)]
    [session] = derive_sessions(*samples)
    assert session.energy_kwh == pytest.approx(BATTERY_KWH * 9 / 100)


def test_samples_with_unknown_values_change_nothing():
    samples = [charging(0, 40, 11), charging(20, 44, 11), stopped(30, 46)]
    [session] = derive_sessions(*samples, make_sample(10), make_sample(25))
    [expected] = derive_sessions(*samples)
    assert (get_span(session), session.energy_kwh) == (get_span(expected), pytest.approx(expected.energy_kwh))


def test_charging_is_assumed_to_last_through_a_gap_of_eight_hours_only():
    [session] = derive_sessions(charging(0, 20), charging(480, 70), stopped(490, 70))
    assert session.energy_kwh == pytest.approx(0.5 * BATTERY_KWH)
    first, second = derive_sessions(charging(0, 20, 7), charging(10, 22, 7), charging(900, 23, 7))
    assert (get_span(first), first.open, get_span(second), second.open) == (
        (at(0), at(10)),
        False,
        (at(900), at(900)),
        True,
    )


def test_charging_without_power_and_level_is_a_session_after_ten_minutes():
    assert derive_sessions(charging(0), stopped(9)) == []
    [session] = derive_sessions(charging(0), stopped(10))
    assert (session.energy_kwh, session.energy_source) == (None, "none")


def test_falling_level_proves_that_the_vehicle_did_not_charge():
    [session] = derive_sessions(charging(0, 80, 11), charging(10, 83, 11), unplugged(20, 70))
    assert get_span(session) == (at(0), at(10))


@given(histories, st.randoms())
def test_sessions_do_not_depend_on_order_or_repetition_of_samples(samples, random):
    shuffled = [*samples, *random.sample(samples, len(samples) // 2)]
    random.shuffle(shuffled)
    assert merge_by_time(shuffled) == merge_by_time(samples)
    assert derive_sessions(*shuffled) == derive_sessions(*samples)


@given(histories, st.integers(0, 25))
def test_deriving_from_an_archived_state_gives_the_same_sessions(samples, cut):
    samples = merge_by_time(samples)
    all_periods, state = derive_periods(DerivationState(), samples)
    before, base = derive_periods(DerivationState(), samples[:cut])
    after, state_from_base = derive_periods(base, samples[cut:])
    assert state_from_base == state
    kept = [period for period in all_periods if not after or period.started_at < after[0].started_at]
    archived = [period for period in before if base.period is None or period.started_at < base.period.started_at]
    assert kept[: len(archived)] == archived
    assert [*archived, *after] == all_periods


@given(histories)
def test_sessions_are_ordered_disjoint_and_never_have_negative_energy(samples):
    sessions = derive_sessions(*samples)
    for one, next_one in itertools.pairwise(sessions):
        assert one.ended_at <= next_one.started_at
        assert not one.open
    for session in sessions:
        assert session.started_at <= session.ended_at
        assert session.energy_kwh is None or session.energy_kwh >= 0
        assert (session.energy_kwh is None) == (session.energy_source == "none")
        hours = (session.ended_at - session.started_at).total_seconds() / 3600
        assert (session.energy_kwh or 0) <= BATTERY_KWH * len(samples) + (session.peak_kw or 0) * hours + 1e-9


@given(st.lists(st.tuples(st.booleans(), st.integers(-1, 1)), min_size=2, max_size=200))
def test_false_charging_reports_never_add_more_than_two_points(reports):
    samples = [
        make_sample(5 * n, is_charging, 80.0 + change, plugged=True) for n, (is_charging, change) in enumerate(reports)
    ]
    assert all(session.soc_gain <= 2 for session in derive_sessions(*samples))


@given(random_samples, random_samples, random_samples)
def test_samples_of_one_moment_merge_to_the_same_sample_in_any_order(one, two, three):
    two, three = (replace(sample, at=one.at) for sample in (two, three))
    if len({one.version, two.version, three.version}) == 3:
        assert (
            merge_by_time([one, two, three])
            == merge_by_time([three, two, one])
            == merge_by_time([two, one, three, one])
        )
