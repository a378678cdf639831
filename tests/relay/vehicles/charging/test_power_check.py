"""Energy by power is never more than the battery can have taken, and a true power is never doubted."""

import math
from dataclasses import replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.relay.support.charging import PLACE, at, charging, derive_sessions, stopped, unplugged, with_step


def rebase(sample):
    return replace(sample, reading=replace(sample.reading, rebased=True))


CASE_03 = [charging(10 * n, level, 71.6, capacity=52) for n, level in enumerate([36, 39, 43, 46, 50, 53])]
CASE_03 += [stopped(60, 57, capacity=52)]
CASE_03 = with_step(1.0, *CASE_03)


def test_power_that_the_level_contradicts_is_replaced_by_the_level():
    [session] = derive_sessions(*CASE_03)
    assert (session.energy_kwh, session.energy_source) == (pytest.approx(21 * 0.52), "soc")
    assert session.is_estimated


@pytest.mark.parametrize("end", range(1, 7))
def test_contradicted_power_never_counts_while_the_session_is_open(end):
    [session] = derive_sessions(*CASE_03[: end + 1])
    gain = CASE_03[end].reading.soc - 36
    assert gain * 0.52 - 1e-9 <= session.energy_kwh <= (gain + 1) * 0.52 * 1.15


@pytest.mark.parametrize(
    ("samples", "kwh", "source"),
    [
        # 50 kWh: 11 kW raise the level by 3.67 points in ten minutes.
        pytest.param([charging(0, 40, 11), charging(10, 43, 11), stopped(20, 47)], 11 / 3, "power", id="honest"),
        pytest.param([charging(0, 40, 12), stopped(30, 50)], 6.0, "power", id="losses of a sixth"),
        pytest.param([charging(0, 40, 12.6), stopped(30, 50)], 6.3, "power", id="just below the limit"),
        pytest.param([charging(0, 40, 12.7), stopped(30, 50)], 5.0, "soc", id="just above the limit"),
        pytest.param([charging(0, 40, 150), stopped(20, 40)], None, None, id="no rise at all"),
        pytest.param(
            [charging(0, 40, 150, capacity=None), stopped(20, 80, capacity=None)], 50, "power", id="capacity unknown"
        ),
        pytest.param([charging(0, None, 11), charging(30, None, 11), stopped(60)], 11, "power", id="level unknown"),
        pytest.param(
            [charging(0, None, 11), charging(30, 60, 11), stopped(60, 71)], 11, "power", id="level known late"
        ),
        pytest.param(
            [charging(0, 40, 11), charging(30, None, 11), charging(60, None, 11), stopped(90, 73)],
            16.5,
            "power",
            id="level known at the ends only",
        ),
        pytest.param(
            [charging(0, 40, 11), charging(30, None, 11), stopped(60)], 11, "power", id="level known at the start only"
        ),
        pytest.param(
            [charging(0, 40, 90), charging(30, None, 90), stopped(60, 61)], 10.5, "soc", id="contradicted at the end"
        ),
        pytest.param(
            [charging(0, 40, 11), charging(20, 40, 11), stopped(40, 40), stopped(50, 54), stopped(60, 55)],
            11 * 2 / 3,
            "power",
            id="the level arrives after the end",
        ),
        pytest.param(
            [charging(0, 40, 11), charging(20, 40, 11), stopped(40, 41), stopped(60, 55)],
            11 * 2 / 3,
            "power",
            id="the level arrives late after it contradicted",
        ),
        pytest.param(
            [charging(0, 40, 11), stopped(20, 46), charging(40, 47, 11), stopped(60, 54)],
            11 * 2 / 3,
            "power",
            id="the level arrives in a pause",
        ),
        pytest.param(
            [charging(0, 40, 11), stopped(20, 47), charging(40, 44, 11), stopped(60, 51)],
            11 * 2 / 3,
            "power",
            id="heating lowers the level in a pause",
        ),
        pytest.param(
            [charging(0, 40, 11), charging(20, 40, 11), rebase(charging(22, 47, 11)), stopped(42, 54)],
            11 * 2 / 3,
            "power",
            id="a level that was held is accepted at last",
        ),
    ],
)  # fmt: skip
def test_power_counts_unless_the_battery_cannot_have_taken_it(samples, kwh, source):
    sessions = derive_sessions(*with_step(1.0, *samples))
    if kwh is None:
        assert all(session.energy_kwh == 0 for session in sessions)
    else:
        [session] = sessions
        assert (session.energy_kwh, session.energy_source) == (pytest.approx(kwh), source)
        assert session.is_estimated is (source == "soc")


def test_learned_step_decides_how_far_the_level_may_lag():
    samples = [charging(0, 40, 11), charging(7, 40, 11), stopped(14, 40)]
    coarse, unknown, fine = (derive_sessions(*with_step(step, *samples))[0] for step in (5.0, None, 1.0))
    assert unknown.energy_kwh == coarse.energy_kwh
    assert coarse.energy_kwh == pytest.approx(11 * 14 / 60)
    assert fine.energy_kwh == 0


def test_parked_vehicle_that_reports_a_power_while_its_level_stays_has_no_session():
    samples = with_step(1.0, *(charging(10 * n, 60, 7.4) for n in range(12)))
    assert derive_sessions(*samples, *with_step(1.0, stopped(120, 60))) == []
    [session] = derive_sessions(*samples)
    assert session.energy_kwh == 0


def test_full_battery_that_is_balanced_keeps_its_session():
    samples = [charging(0, 98, 7.4), charging(10, 100, 2)]
    [session] = derive_sessions(*samples, *(charging(10 * n, 100, 1) for n in range(2, 20)), stopped(200, 100))
    assert session.soc_gain == 2


@pytest.mark.parametrize(
    ("samples", "kwh"),
    [
        # 50 kWh: 60 kW raise the level by 2 points a minute.
        pytest.param([charging(0, 40, 60), charging(2, 44, 60), stopped(4, 46)], 2 + 1, id="ended at half time"),
        pytest.param([charging(0, 40, 60), charging(2, 44, 60), stopped(4, 48)], 4, id="ended with the report"),
        pytest.param([charging(0, 40, 60), charging(2, 44, 60), stopped(4, 47)], 2 + 1.5, id="ended after 3/4"),
        pytest.param([charging(0, 40, 60), charging(2, 44, 30), stopped(4, 46)], 3, id="the power fell at the end"),
        pytest.param([charging(0, 40, 60), charging(2, 42, 30), stopped(4, 44)], 1 + 1, id="the power fell earlier"),
        pytest.param([charging(0, 40, 30), charging(2, 44, 60), stopped(4, 48)], 2 + 2, id="the power rose earlier"),
        pytest.param([charging(0, 40, 60), charging(2, 40, 60), stopped(4, 40), stopped(6, 48)], 4, id="late"),
        # AC chargers charge with a steady power until it ends.
        pytest.param([charging(0, 40, 11), charging(8, 42, 11), stopped(16, 45)], 44 / 15, id="within a step of AC"),
        pytest.param([charging(0, 40, 22), charging(8, 45, 22), stopped(16, 48)], 44 / 15 + 2, id="AC ended earlier"),
        pytest.param([charging(0, 40, 23), charging(8, 45, 23), stopped(16, 48)], 46 / 15 + 1.5, id="DC ended earlier"),
        pytest.param([charging(0, 40, 45), charging(2, 43, 20), stopped(4, 44)], 1.5 + 0.5, id="DC, slow by now"),
        pytest.param([charging(0, 40, 12), charging(11, 44, 12), stopped(22, 47)], 4.4, id="over a long interval"),
    ],
)  # fmt: skip
def test_level_decides_when_a_power_changed_or_ended_between_two_reports(samples, kwh):
    [session] = derive_sessions(*with_step(1.0, *samples))
    assert session.energy_kwh == pytest.approx(kwh, abs=0.01)


@pytest.mark.parametrize(
    ("before", "kwh"),
    [
        pytest.param(stopped(0, 40, place=PLACE), 0.5 + 1.5, id="plugged in"),
        pytest.param(unplugged(0, 40, place=PLACE), 0.5 + 1.5, id="unplugged"),
        pytest.param(unplugged(0, 41, place=PLACE), 1.5, id="no rise"),
        pytest.param(unplugged(0, 40, place=replace(PLACE, odometer_km=120.0)), 1.5, id="driven"),
        pytest.param(unplugged(-24, 40, place=PLACE), 1.5, id="unplugged, long before"),
    ],
)
def test_rise_before_the_first_report_of_charging_belongs_to_the_session(before, kwh):
    samples = [before, charging(7, 41, 9, place=PLACE), stopped(17, 44, place=PLACE)]
    [session] = derive_sessions(*with_step(1.0, *samples))
    assert session.energy_kwh == pytest.approx(kwh)
    assert session.started_at == (before.at if kwh > 1.5 else samples[1].at)


@pytest.mark.parametrize(("hours", "kwh"), [(1, 0.5 + 1.5), (8, 0.5 + 1.5), (8.01, 1.5)])
def test_rise_before_the_first_report_of_charging_is_that_of_the_last_half_hour_at_the_plug(hours, kwh):
    before = stopped(7 - 60 * hours, 40, place=PLACE)
    [session] = derive_sessions(*with_step(1.0, before, charging(7, 41, 9), stopped(17, 44)))
    assert session.energy_kwh == pytest.approx(kwh)
    assert session.started_at == at(7 - 30 if kwh > 1.5 else 7)


@pytest.mark.parametrize(
    ("kw", "kwh"),
    [
        pytest.param(3.0, 0.35, id="less than the step"),
        pytest.param(22.0, 2.5, id="more than the step"),
        pytest.param(None, 2.5, id="unknown"),
        pytest.param(22.1, 2.5, id="a fast charger, which may have been faster before"),
    ],
)
def test_rise_before_the_first_report_of_charging_is_no_more_than_a_steady_power_charges(kw, kwh):
    samples = [stopped(0, 40, place=PLACE), charging(7, 45, kw, place=PLACE)]
    [session] = derive_sessions(*with_step(5.0, *samples))
    assert session.energy_kwh == pytest.approx(kwh)


@given(st.data())
def test_true_power_is_counted_whatever_the_step_and_the_lag_of_the_level(data):
    """A vehicle whose level is exact but rounded down to its step, and reported some samples late.

    When fast charging ended between two reports is known from the level alone.
    """
    capacity, kw, every = (data.draw(st.floats(*span)) for span in ((8, 120), (1, 300), (0.5, 30)))
    step, lag, number = data.draw(st.sampled_from([0.1, 0.5, 1.0, 5.0])), data.draw(st.integers(0, 2)), 12
    per_sample = kw * every / 60 / capacity * 100
    number = max(2, min(12, int(80 / per_sample)))
    assume(number * per_sample <= 95)

    def show(n):
        return math.floor((2 + min(number, max(0, n - lag)) * per_sample) / step) * step

    during = [charging(n * every, show(n), kw, capacity=capacity) for n in range(number)]
    after = [stopped(n * every, show(n), capacity=capacity) for n in range(number, number + lag + 1)]
    [session] = derive_sessions(*with_step(step, *during, *after))
    step_kwh = step * capacity / 100
    assert session.energy_kwh == pytest.approx(kw * number * every / 60, abs=1e-6 if kw <= 22 else step_kwh)


@given(
    gains=st.lists(st.integers(0, 5), min_size=1, max_size=12),
    powers=st.lists(st.floats(0.5, 1000), min_size=12, max_size=12),
    capacity=st.floats(8, 120),
)
def test_energy_is_never_more_than_the_battery_can_have_taken(gains, powers, capacity):
    samples, level = [], 20.0
    for n, gain in enumerate(gains):
        samples.append(charging(10 * n, level, powers[n], capacity=capacity))
        level += gain
    samples.append(stopped(10 * len(gains), level, capacity=capacity))
    for end in range(2, len(samples) + 1):
        gain = samples[end - 1].reading.soc - 20
        for session in derive_sessions(*with_step(1.0, *samples[:end])):
            assert session.energy_kwh <= (gain + 1) * capacity / 100 * 1.15 + 1e-9


def test_power_that_the_level_contradicted_stays_so_after_a_battery_swap():
    """Ten times the true power: 40 kW raise 50 kWh by 8 points in ten minutes, not by one."""
    samples = [charging(10 * n, 40 + n, 40) for n in range(7)]
    after = [unplugged(70, 46), rebase(unplugged(80, 90))]
    [before] = derive_sessions(*with_step(1.0, *samples, *after[:1]))
    [session] = derive_sessions(*with_step(1.0, *samples, *after))
    assert session.energy_kwh == before.energy_kwh == pytest.approx(3.0)


def test_contradicted_power_counts_half_an_hour_at_most_for_a_fault_of_the_level_meanwhile():
    samples = [charging(10 * n, 40 + n, 40) for n in range(19)]
    fault = rebase(charging(190, 20, 40))
    [session] = derive_sessions(*with_step(1.0, *samples, fault, stopped(200, 21)))
    assert session.energy_kwh < 9.5 + 40 / 2 + 0.5 + 40 / 6 + 0.1
