"""The energy charged between two samples."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.vehicles.charging.energy import MeasuredEnergy, add_energy, get_power_kw, get_soc_rise, measure_energy
from tests.relay.support.charging import charging, make_sample, stopped

SECOND = 1 / 60
"""A second in minutes, the unit of the samples' times."""


def power(kwh):
    return MeasuredEnergy(power_kwh=pytest.approx(kwh))


def level(kwh):
    return MeasuredEnergy(soc_kwh=pytest.approx(kwh))


NOTHING = MeasuredEnergy()


@pytest.mark.parametrize(
    ("last", "now", "expected"),
    [
        pytest.param(charging(0, 40, 10), charging(30, 44, 20), power(5), id="power lasts to the next report"),
        pytest.param(charging(0, 40, 10), stopped(30, 50), power(5), id="power over exactly 30 minutes"),
        pytest.param(charging(0, 40, 10), stopped(30 + SECOND, 50), level(5), id="over 30 minutes the level counts"),
        pytest.param(charging(0, 40, 10), charging(60, 50, 10), level(5), id="over 30 minutes, still charging"),
        pytest.param(charging(0, None, 10), charging(60, None, 10), power(10), id="over 30 minutes without a level"),
        pytest.param(
            charging(0, 40, 10), charging(60, 50, 10, capacity=None), power(10), id="over 30 minutes, no capacity"
        ),
        pytest.param(charging(0, None, 10), stopped(60), NOTHING, id="over 30 minutes without a level, then stopped"),
        pytest.param(charging(0, 40), charging(30, 44, 20), power(10), id="power reported only at the end"),
        pytest.param(charging(0, 40), charging(30, 44), level(2), id="no power"),
        pytest.param(stopped(0, 40), charging(30, 44, 20), level(2), id="power began after the first sample"),
        pytest.param(charging(0, 40), stopped(30, 44), level(2), id="no power, then stopped"),
        pytest.param(charging(0, 40), stopped(30, 44, capacity=None), NOTHING, id="no power and no capacity"),
        pytest.param(charging(0, 40, capacity=None), stopped(30, 44), level(2), id="the newer capacity counts"),
        pytest.param(charging(0, 40, capacity=100), stopped(30, 44, capacity=25), level(1), id="another capacity"),
        pytest.param(charging(0, 40), stopped(30), NOTHING, id="no power, unknown level after"),
        pytest.param(charging(0), stopped(30, 44), NOTHING, id="no power, unknown level before"),
        pytest.param(charging(0, 40), stopped(30, 40), NOTHING, id="no power, same level"),
        pytest.param(charging(0, 40), stopped(30, 38), level(-1), id="no power, lower level"),
    ],
)
def test_energy_is_measured_by_power_over_half_an_hour_else_by_the_level(last, now, expected):
    assert measure_energy(last, now) == expected


@given(st.integers(1, 30), st.floats(0.1, 400), st.integers(1, 10))
def test_energy_by_power_grows_with_power_and_time(minutes, kw, factor):
    once = measure_energy(charging(0, 40, kw), charging(minutes, 40, kw)).power_kwh
    assert once == pytest.approx(kw * minutes / 60)
    assert measure_energy(charging(0, 40, kw * factor), stopped(minutes, 40)).power_kwh == pytest.approx(once * factor)


@given(st.integers(31, 600), st.integers(0, 100), st.integers(0, 100), st.floats(1, 200))
def test_energy_by_level_depends_on_capacity_and_rise_only(minutes, before, after, capacity):
    measured = measure_energy(charging(0, before, 11), charging(minutes, after, 22, capacity=capacity))
    assert (measured.soc_kwh or 0) == pytest.approx(capacity * (after - before) / 100)
    assert measured.power_kwh is None


@pytest.mark.parametrize(
    ("total", "more", "expected"),
    [(None, None, None), (1.0, None, 1.0), (None, 2.0, 2.0), (1.0, 2.0, 3.0), (0.0, -1.0, -1.0)],
)
def test_unknown_energy_adds_nothing(total, more, expected):
    assert add_energy(total, more) == expected


def test_energy_of_zero_is_known():
    assert add_energy(None, 0.0) == 0.0
    assert add_energy(0.0, None) == 0.0


@pytest.mark.parametrize(
    ("before", "after", "rise"), [(40, 44, 4), (44, 40, -4), (0, 0, 0), (None, 44, None), (40, None, None)]
)
def test_rise_is_known_when_both_levels_are(before, after, rise):
    assert get_soc_rise(charging(0, before), stopped(10, after)) == rise


@pytest.mark.parametrize(("is_charging", "kw"), [(True, 11), (False, None), (None, None)])
def test_power_counts_only_while_charging(is_charging, kw):
    sample = make_sample(0, True, 40, 11)
    assert get_power_kw(replace(sample, reading=replace(sample.reading, charging=is_charging))) == kw
