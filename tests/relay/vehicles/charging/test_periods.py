"""How one period of charging starts, pauses, grows and is proven: the edges of each condition."""

from dataclasses import replace
from datetime import timedelta

import pytest

from relay.vehicles.charging.period_growth import apply_sample, extend_period, resume_period
from relay.vehicles.charging.periods import ChargingPeriod, start_period
from relay.vehicles.charging.samples import UNKNOWN_PLACE, VehiclePlace
from tests.relay.support.charging import at, charging, derive_sessions, make_sample, stopped, unplugged, with_step

SECOND = 1 / 60
HERE = VehiclePlace(latitude=52.0, longitude=5.0, odometer_km=100.0)
THERE = VehiclePlace(latitude=53.0, longitude=6.0, odometer_km=200.0)


def make_period(**members):
    """A session of half an hour that has ended, measured by its level."""
    defaults = {
        "started_at": at(0), "ended_at": at(30), "open": False, "charged": timedelta(minutes=30),
        "soc_start": 40.0, "soc_end": 50.0, "soc_kwh": 5.0,
    }  # fmt: skip
    return ChargingPeriod(**defaults | members)


def minutes(number):
    return timedelta(minutes=number)


@pytest.mark.parametrize(
    ("members", "proven"),
    [
        pytest.param({"soc_end": 42.0}, True, id="a rise of 2 points"),
        pytest.param({"soc_end": 41.99}, False, id="a rise of less than 2 points"),
        pytest.param({"soc_end": 30.0}, False, id="a fall"),
        pytest.param({"soc_end": 40.0, "peak_kw": 0.1}, True, id="a reported power"),
        pytest.param({"soc_end": 42.0, "charged": timedelta()}, False, id="a rise, but no time spent charging"),
        pytest.param({"soc_end": 42.0, "charged": timedelta(), "open": True}, True, id="a rise of an open period"),
        pytest.param({"peak_kw": 7.0, "charged": timedelta()}, False, id="power, but no time spent charging"),
        pytest.param({"peak_kw": 7.0, "charged": timedelta(), "open": True}, True, id="power of an open period"),
        pytest.param({"soc_start": None, "soc_end": None, "charged": minutes(10)}, True, id="10 minutes unmeasured"),
        pytest.param({"soc_start": None, "soc_end": None, "charged": minutes(9.99)}, False, id="less unmeasured time"),
        pytest.param({"soc_start": 40.0, "soc_end": 40.0, "charged": minutes(60)}, False, id="an hour without a rise"),
        pytest.param({"soc_start": None, "soc_end": None, "charged": minutes(1), "open": True}, False, id="just begun"),
    ],
)
def test_period_is_proven_by_power_a_rise_or_ten_unmeasured_minutes(members, proven):
    assert make_period(**members).is_proven is proven


@pytest.mark.parametrize(
    ("power_kwh", "soc_kwh", "energy", "source"),
    [
        (None, None, None, "none"),
        (3.0, None, 3.0, "power"),
        (None, 2.0, 2.0, "soc"),
        (3.0, 2.0, 5.0, "mixed"),
        (0.0, None, 0.0, "power"),
        (None, 0.0, 0.0, "soc"),
        (None, -2.0, 0.0, "soc"),
        (1.0, -2.0, 0.0, "mixed"),
        (3.0, -2.0, 1.0, "mixed"),
    ],
)
def test_energy_is_the_sum_and_never_negative(power_kwh, soc_kwh, energy, source):
    period = make_period(power_kwh=power_kwh, soc_kwh=soc_kwh)
    assert (period.energy_kwh, period.energy_source) == (energy, source)


@pytest.mark.parametrize(
    ("start", "end", "gain"), [(40.0, 50.0, 10), (0.0, 5.0, 5), (None, 5.0, 0), (5.0, None, 0), (50.0, 40.0, -10)]
)
def test_gain_is_zero_while_a_level_is_unknown(start, end, gain):
    assert make_period(soc_start=start, soc_end=end).soc_gain == gain


def test_new_period_is_open_and_has_the_place_of_the_place_sample():
    period = start_period(charging(5, 40, 11, place=THERE), stopped(7, 41, place=HERE))
    assert period == ChargingPeriod(
        started_at=at(5), ended_at=at(5), open=True, soc_start=40, soc_end=40, peak_kw=11, place=HERE
    )
    assert (period.charged, period.left, period.energy_kwh) == (timedelta(), False, None)
    assert start_period(stopped(5, 40), stopped(5, 40)).peak_kw is None


@pytest.mark.parametrize(
    ("pause", "resumed"),
    [(0, True), (SECOND, True), (30, True), (30 + SECOND, False)],
    ids=["no pause", "a second", "30 minutes", "a second more than 30 minutes"],
)
def test_pause_of_30_minutes_belongs_to_the_period(pause, resumed):
    period = make_period()
    after = resume_period(period, charging(30 + pause, 50))
    assert (after is not None) is resumed
    assert not resumed or after == replace(period, ended_at=at(30 + pause))


def test_period_without_a_pause_goes_on_although_it_has_gained_nothing():
    period = make_period(soc_end=40.0, soc_kwh=None)
    assert not period.is_proven
    assert resume_period(period, charging(30, 40)) == period
    assert resume_period(period, charging(30 + SECOND, 40)) is None


def test_period_that_does_not_exist_or_was_unplugged_is_not_resumed():
    assert resume_period(None, charging(31, 50)) is None
    assert resume_period(make_period(left=True), charging(31, 50)) is None
    assert resume_period(make_period(left=True), charging(30, 50)) is None


@pytest.mark.parametrize(
    ("soc_end", "level", "resumed"),
    [
        pytest.param(40.0, 40, False, id="nothing gained"),
        pytest.param(40.0, 39, False, id="lost during the pause"),
        pytest.param(41.0, 40, False, id="lost during the pause what was gained before"),
        pytest.param(40.0, 41, True, id="gained during the pause"),
        pytest.param(41.0, 41, True, id="gained before the pause"),
        pytest.param(41.0, None, True, id="gained before the pause, level unknown"),
        pytest.param(40.0, None, False, id="nothing gained, level unknown"),
    ],
)
def test_unproven_period_is_resumed_only_if_it_has_gained_something(soc_end, level, resumed):
    period = make_period(soc_end=soc_end, soc_kwh=None)
    assert (resume_period(period, charging(40, level)) is not None) is resumed


def test_proven_period_is_resumed_although_it_lost_its_gain():
    assert resume_period(make_period(peak_kw=7.0), charging(40, 38)).soc_end == 38


@pytest.mark.parametrize(
    ("members", "sample", "soc_end", "soc_kwh"),
    [
        pytest.param({}, charging(40, 54), 54, 7.0, id="a rise"),
        pytest.param({}, charging(40, 48), 48, 4.0, id="a fall"),
        pytest.param({}, charging(40, 50), 50, 5.0, id="no change"),
        pytest.param({}, charging(40, None), 50, 5.0, id="an unknown level"),
        pytest.param({}, charging(40, 54, capacity=None), 54, 5.0, id="an unknown capacity"),
        pytest.param({"soc_kwh": None}, charging(40, 54), 54, 2.0, id="nothing measured before"),
        pytest.param({"soc_kwh": None}, charging(40, 50), 50, None, id="nothing measured before, no change"),
        pytest.param({"power_kwh": 1.0}, charging(40, 54), 54, 5.0, id="measured by power"),
        pytest.param({"power_kwh": 0.0}, charging(40, 54), 54, 5.0, id="measured by power as zero"),
        pytest.param({"soc_end": None, "peak_kw": 7.0}, charging(40, 54), 54, 5.0, id="the level was unknown"),
    ],
)
def test_change_of_level_in_a_pause_counts_unless_power_measures(members, sample, soc_end, soc_kwh):
    after = resume_period(make_period(**members), sample)
    assert (after.soc_end, after.soc_kwh, after.ended_at) == (soc_end, soc_kwh, at(40))
    assert (after.started_at, after.charged, after.soc_start) == (at(0), minutes(30), 40)


def test_extended_period_grows_by_time_level_and_energy():
    by_level = extend_period(make_period(), charging(40, 50), charging(60, 54))
    assert (by_level.ended_at, by_level.charged, by_level.soc_end) == (at(60), minutes(50), 54)
    assert (by_level.soc_kwh, by_level.power_kwh) == (pytest.approx(7.0), None)
    by_power = extend_period(make_period(power_kwh=1.0), charging(40, 50, 9), charging(60, None, 9))
    assert (by_power.soc_end, by_power.soc_kwh, by_power.power_kwh) == (50, 5.0, pytest.approx(4.0))
    assert extend_period(make_period(soc_end=None), charging(40, None), charging(60, 0)).soc_end == 0


@pytest.mark.parametrize(
    ("sample", "open_", "ended_at"),
    [
        pytest.param(charging(40, 50), True, at(40), id="charging"),
        pytest.param(stopped(40, 50), False, at(30), id="stopped"),
        pytest.param(make_sample(40, None, 50), False, at(30), id="unknown"),
    ],
)
def test_period_is_open_and_ends_at_the_sample_while_that_is_charging(sample, open_, ended_at):
    after = apply_sample(make_period(), sample)
    assert (after.open, after.ended_at) == (open_, ended_at)


@pytest.mark.parametrize(
    ("before", "sample", "left"),
    [
        (False, unplugged(40), True),
        (False, stopped(40), False),
        (False, make_sample(40, None, plugged=False), True),
        (False, charging(40, plugged=False), False),
        (False, make_sample(40, False), False),
        (True, stopped(40), True),
        (True, charging(40), True),
    ],
    ids=["unplugged", "plugged in", "unplugged, charging unknown", "charging although unplugged", "plug unknown",
         "unplugged before, plugged in now", "unplugged before, charging now"],
)  # fmt: skip
def test_period_is_left_once_the_vehicle_was_unplugged(before, sample, left):
    assert apply_sample(make_period(left=before), sample).left is left


@pytest.mark.parametrize(
    ("place", "sample", "expected"),
    [
        pytest.param(UNKNOWN_PLACE, charging(40, place=HERE), HERE, id="unknown before"),
        pytest.param(UNKNOWN_PLACE, stopped(40, place=HERE), UNKNOWN_PLACE, id="unknown before, no longer charging"),
        pytest.param(HERE, charging(40, place=THERE), HERE, id="known before"),
        pytest.param(
            replace(HERE, odometer_km=None),
            charging(40, place=THERE),
            replace(HERE, odometer_km=200.0),
            id="no odometer",
        ),
        pytest.param(
            VehiclePlace(odometer_km=100.0),
            charging(40, place=THERE),
            replace(THERE, odometer_km=100.0),
            id="no position",
        ),
    ],
)
def test_unknown_place_is_filled_by_a_charging_sample(place, sample, expected):
    assert apply_sample(make_period(place=place), sample).place == expected


@pytest.mark.parametrize(
    ("start", "end", "sample", "expected"),
    [
        pytest.param(None, None, charging(40, 45), (45, 45), id="first level while charging"),
        pytest.param(None, None, stopped(40, 45), (None, None), id="first level when stopped"),
        pytest.param(40.0, 50.0, charging(40, 55), (40, 50), id="known levels stay"),
        pytest.param(40.0, None, charging(40, 45), (40, 45), id="unknown end"),
        pytest.param(0.0, 0.0, charging(40, 45), (0, 0), id="a level of zero is known"),
    ],
)
def test_unknown_levels_are_filled_by_a_charging_sample(start, end, sample, expected):
    after = apply_sample(make_period(soc_start=start, soc_end=end), sample)
    assert (after.soc_start, after.soc_end) == expected


@pytest.mark.parametrize(
    ("before", "sample", "peak"),
    [
        (None, charging(40, 50, 7), 7),
        (11.0, charging(40, 50, 7), 11),
        (7.0, charging(40, 50, 11), 11),
        (11.0, stopped(40, 50), 11),
        (None, charging(40, 50), None),
    ],
)
def test_peak_is_the_greatest_power(before, sample, peak):
    assert apply_sample(make_period(peak_kw=before), sample).peak_kw == peak


@pytest.mark.parametrize("power", [11, None])
def test_rise_that_was_a_fault_is_taken_from_a_session_that_was_measured_before(power):
    before = [charging(0, 40, power), charging(20, 47, power), stopped(30, 51)]
    after = replace(stopped(100, 51), reading=replace(stopped(100, 51).reading, rebased=True, returned=True))
    [honest] = derive_sessions(*with_step(1.0, *before))
    [session] = derive_sessions(*with_step(1.0, *before, stopped(90, 90), after))
    assert session.energy_kwh == pytest.approx(honest.energy_kwh, abs=1e-3)
    assert (session.levels, session.ended_at) == (honest.levels, honest.ended_at)


def test_fall_that_was_a_fault_takes_nothing_from_a_session():
    before = [charging(0, 40), stopped(30, 51)]
    low, back = stopped(60, 20), stopped(70, 51)
    low = replace(low, reading=replace(low.reading, rebased=True))
    back = replace(back, reading=replace(back.reading, rebased=True, returned=True))
    [honest] = derive_sessions(*with_step(1.0, *before))
    [session] = derive_sessions(*with_step(1.0, *before, low, back))
    assert session.energy_kwh == honest.energy_kwh
