"""When a vehicle charged between two samples, and what unknown values become: the edges of each condition."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.vehicles.charging.derivation import DerivationState, advance_state, iterate_states
from relay.vehicles.charging.samples import ChargeReading, VehiclePlace
from relay.vehicles.charging.slices import NO_SLICES
from tests.relay.support.charging import (
    at,
    charging,
    derive_periods,
    derive_sessions,
    histories,
    make_sample,
    merge_by_time,
    stopped,
    unplugged,
    with_step,
)

SECOND = 1 / 60
HERE, THERE = VehiclePlace(latitude=52.0, longitude=5.0), VehiclePlace(latitude=53.0, longitude=6.0)


def get_charged_minutes(*samples):
    """The minutes spent charging according to the last period, proven or not; None without one."""
    period = derive_periods(DerivationState(), samples)[1].period
    return period and period.charged.total_seconds() / 60


@pytest.mark.parametrize(
    ("last", "now", "has_charged"),
    [
        pytest.param(charging(0, 50), stopped(30, 50), True, id="stopped after 30 minutes"),
        pytest.param(charging(0, 50), stopped(30 + SECOND, 50), False, id="stopped after longer, same level"),
        pytest.param(charging(0, 50), stopped(30 + SECOND, 51), True, id="stopped after longer, a higher level"),
        pytest.param(charging(0, 50), stopped(30 + SECOND), False, id="stopped after longer, unknown level"),
        pytest.param(charging(0, 50), charging(30 + SECOND, 50), True, id="still charging after longer"),
        pytest.param(charging(0, 50), stopped(10, 48.01), True, id="a fall of less than 2 points"),
        pytest.param(charging(0, 50), stopped(10, 48), False, id="a fall of 2 points"),
        pytest.param(charging(0, 50), charging(10, 48), False, id="a fall of 2 points, still charging"),
        pytest.param(charging(0, 50), stopped(480, 60), True, id="8 hours"),
        pytest.param(charging(0, 50), charging(480, 50), True, id="8 hours, still charging, same level"),
        pytest.param(charging(0, 50), charging(480 + SECOND, 51), False, id="over 8 hours, still charging"),
        pytest.param(charging(0, 50), stopped(480 + SECOND, 51.99), False, id="over 8 hours, less than 2 points"),
        pytest.param(charging(0, 50), stopped(480 + SECOND, 52), True, id="over 8 hours, 2 points"),
        pytest.param(charging(0, 50), stopped(2880, 60), True, id="48 hours"),
        pytest.param(charging(0, 50), stopped(2880 + SECOND, 60), False, id="over 48 hours"),
    ],
)
def test_charging_vehicle_has_charged_until_the_next_sample_unless_disproved(last, now, has_charged):
    assert bool(get_charged_minutes(last, now)) is has_charged


@pytest.mark.parametrize(("minutes", "has_charged"), [(31, True), (120, True), (121, False)])
def test_large_battery_has_charged_while_its_level_could_not_have_risen_by_a_step(minutes, has_charged):
    samples = with_step(1.0, charging(0, 50, capacity=280), stopped(minutes, 50, capacity=280))
    assert bool(get_charged_minutes(*samples)) is has_charged


@pytest.mark.parametrize(
    ("last", "now", "has_charged"),
    [
        pytest.param(stopped(0, 50), stopped(60, 52), True, id="2 points while plugged in"),
        pytest.param(stopped(0, 50), stopped(60, 51.99), False, id="less than 2 points while plugged in"),
        pytest.param(stopped(0, 50), unplugged(60, 52), True, id="2 points, plugged in before"),
        pytest.param(unplugged(0, 50), stopped(60, 52), True, id="2 points, plugged in after"),
        pytest.param(unplugged(0, 50), unplugged(60, 60), True, id="10 points unplugged"),
        pytest.param(unplugged(0, 50), unplugged(60, 59.99), False, id="less than 10 points unplugged"),
        pytest.param(
            make_sample(0, False, 50), make_sample(60, False, 59.99), False, id="less than 10 points, plug unknown"
        ),
        pytest.param(stopped(0, 50), stopped(60), False, id="an unknown level"),
        pytest.param(stopped(0), stopped(60, 90), False, id="a level that was unknown"),
        pytest.param(stopped(0, 50), stopped(2880, 90), True, id="48 hours"),
        pytest.param(stopped(0, 50), stopped(2880 + SECOND, 90), False, id="over 48 hours"),
        pytest.param(stopped(0, 50), stopped(60, 40), False, id="a fall"),
    ],
)
def test_rise_proves_charging_that_was_never_reported(last, now, has_charged):
    sessions = derive_sessions(last, now)
    assert bool(sessions) is has_charged
    assert [(session.started_at, session.open) for session in sessions] == [(at(0), False)] * has_charged


@pytest.mark.parametrize(
    ("last", "place"),
    [
        pytest.param(charging(0, 40, place=HERE), HERE, id="charging before"),
        pytest.param(charging(0, 40, place=HERE, plugged=False), HERE, id="charging before, although unplugged"),
        pytest.param(stopped(0, 40, place=HERE), HERE, id="plugged in before"),
        pytest.param(unplugged(0, 40, place=HERE), THERE, id="unplugged before"),
        pytest.param(make_sample(0, False, 40, place=HERE), THERE, id="plug unknown before"),
    ],
)
def test_place_of_a_session_is_that_of_the_first_plugged_in_sample(last, place):
    [session] = derive_sessions(last, charging(10, 60, place=THERE))
    assert session.place == place


@pytest.mark.parametrize(
    ("pause", "sessions"), [(30, [(at(0), at(70))]), (30 + SECOND, [(at(0), at(20)), (at(50 + SECOND), at(70))])]
)
def test_pause_of_30_minutes_belongs_to_a_session(pause, sessions):
    derived = derive_sessions(charging(0, 40, 11), stopped(20, 44), charging(20 + pause, 44, 11), stopped(70, 48))
    assert [(session.started_at, session.ended_at) for session in derived] == sessions


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        pytest.param(
            make_sample(60, capacity=None),
            ChargeReading(charging=True, plugged_in=True, soc=40, power_kw=11, capacity_kwh=50),
            id="all unknown",
        ),
        pytest.param(
            make_sample(480, capacity=None),
            ChargeReading(charging=True, plugged_in=True, soc=40, power_kw=11, capacity_kwh=50),
            id="all unknown, 8 hours later",
        ),
        pytest.param(
            make_sample(480 + SECOND, capacity=None),
            ChargeReading(capacity_kwh=50),
            id="all unknown, over 8 hours later",
        ),
        pytest.param(
            make_sample(480 + SECOND, False, 41, plugged=False, capacity=60),
            ChargeReading(charging=False, plugged_in=False, soc=41, capacity_kwh=60),
            id="all known, over 8 hours later",
        ),
        pytest.param(
            make_sample(60, True, 0, 7, plugged=False, capacity=60),
            ChargeReading(charging=True, plugged_in=False, soc=0, power_kw=7, capacity_kwh=60),
            id="all known",
        ),
        pytest.param(
            make_sample(60, True, None, None, plugged=True),
            ChargeReading(charging=True, plugged_in=True, soc=40, power_kw=None, capacity_kwh=50),
            id="charging without a power",
        ),
        pytest.param(
            make_sample(60, False),
            ChargeReading(charging=False, plugged_in=True, soc=40, power_kw=None, capacity_kwh=50),
            id="stopped",
        ),
    ],
)
def test_unknown_values_are_those_of_the_sample_before(now, expected):
    state = advance_state(DerivationState(), charging(0, 40, 11))
    assert advance_state(state, now).last == replace(now, reading=expected)


def test_first_sample_starts_a_period_only_while_charging():
    for sample in (stopped(0, 40), make_sample(0, None, 40)):
        assert advance_state(DerivationState(), sample) == DerivationState(last=sample, period=None)
    state = advance_state(DerivationState(), charging(0, 40, 11, place=HERE))
    assert (state.period.started_at, state.period.open, state.period.place) == (at(0), True, HERE)


def test_period_is_closed_when_the_vehicle_has_not_charged_since():
    samples = [charging(0, 40, 11), charging(10, 42, 11), stopped(60, 42)]
    *_, state = iterate_states(DerivationState(), samples)
    assert (state.period.open, state.period.ended_at) == (False, at(10))


def test_stopped_sample_without_a_period_starts_none():
    *_, state = iterate_states(DerivationState(), [stopped(0, 40), stopped(10, 40)])
    assert state.period is None


def test_deriving_no_samples_gives_the_proven_period_of_the_starting_state():
    state = advance_state(DerivationState(), charging(0, 40, 11))
    assert derive_periods(state, []) == ([state.period], state)
    unproven = advance_state(DerivationState(), charging(0, 40))
    assert derive_periods(unproven, []) == ([], unproven)
    assert derive_periods(DerivationState(), []) == ([], DerivationState())


def test_earlier_period_is_closed_when_a_later_one_follows():
    first = [charging(0, 40, 11), charging(10, 42, 11)]
    *_, state = iterate_states(DerivationState(), first)
    periods, after = derive_periods(state, [charging(minutes, 43, 11) for minutes in (600, 610, 620)])
    assert state.period.open
    assert [(period.started_at, period.ended_at, period.open) for period in periods] == [
        (at(0), at(10), False),
        (at(600), at(620), True),
    ]
    assert after.period is periods[-1]


@given(histories, st.integers(-10_000, 10_000))
def test_sessions_move_with_their_samples(samples, minutes):
    """Nothing depends on the date or the time of day."""
    shift = at(minutes) - at(0)
    moved = derive_sessions(*(replace(sample, at=sample.at + shift) for sample in samples))
    assert [
        replace(
            session,
            started_at=session.started_at - shift,
            ended_at=session.ended_at - shift,
            left_at=session.left_at and session.left_at - shift,
            slices=NO_SLICES,
        )
        for session in moved
    ] == [replace(session, slices=NO_SLICES) for session in derive_sessions(*samples)]


@given(histories, st.sampled_from([2.0, 4.0, 0.75]))
def test_energy_by_level_scales_with_the_capacity(samples, factor):
    samples = [replace(sample, reading=replace(sample.reading, power_kw=None)) for sample in merge_by_time(samples)]
    scaled = [
        replace(
            sample,
            reading=replace(
                sample.reading, capacity_kwh=sample.reading.capacity_kwh and sample.reading.capacity_kwh * factor
            ),
        )
        for sample in samples
    ]
    energies, scaled_energies = (
        [session.energy_kwh for session in derive_sessions(*each)] for each in (samples, scaled)
    )
    assert scaled_energies == [energy and pytest.approx(energy * factor) for energy in energies]
