"""Energy by quarter hour: nothing is lost, and it is distributed as it was measured."""

import json
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.vehicles.charging.slices import (
    NO_SLICES,
    SLICE,
    EnergySlices,
    TimedEnergy,
    floor_to_slice,
    spread_evenly,
)
from tests.relay.support.charging import at


def test_quarter_hours_are_those_of_utc():
    nepal = timezone(timedelta(hours=5, minutes=45))
    moment = datetime(2026, 11, 23, 17, 52, 30, 5, tzinfo=nepal)
    assert floor_to_slice(moment) == datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
    assert floor_to_slice(at(14.99)) == at(0)
    assert floor_to_slice(at(15)) == at(15)


def test_energy_is_added_to_the_quarter_hours_in_which_it_was_charged():
    slices = NO_SLICES.add(at(10), at(40), 6.0).add(at(40), at(50), 1.0).add(at(90), at(91), 0.5)
    assert slices == EnergySlices(first=at(0), kwh=(1.0, 3.0, 2.5, 0.5, 0.0, 0.0, 0.5))


@pytest.mark.parametrize("arguments", [(at(0), at(10), 0.0), (at(10), at(10), 1.0)])
def test_nothing_is_added_by_no_energy_or_in_no_time(arguments):
    assert NO_SLICES.add(*arguments) == NO_SLICES


@pytest.mark.parametrize(
    ("kwh", "left", "end"),
    [
        (0.0, (1.0, 3.0, 2.5, 0.0, 0.5), 75),
        (0.2, (1.0, 3.0, 2.5, 0.0, 0.3), 75),
        (0.5, (1.0, 3.0, 2.5), 45),
        (3.5, (1.0, 2.5), 30),
        (7.0, (), None),
        (9.0, (), None),
    ],
)
def test_energy_that_was_a_fault_is_taken_from_the_last_quarter_hours(kwh, left, end):
    slices = EnergySlices(first=at(0), kwh=(1.0, 3.0, 2.5, 0.0, 0.5)).remove_last(kwh)
    assert (slices.kwh, slices.end) == (left, None if end is None else at(end))


def test_quarter_hour_in_which_the_level_fell_is_removed_with_the_last_energy():
    assert EnergySlices(first=at(0), kwh=(1.0, -0.5)).remove_last(0.4) == EnergySlices(first=at(0), kwh=(0.6,))
    assert NO_SLICES.remove_last(1.0) == NO_SLICES


def test_session_is_distributed_in_proportion_and_within_its_time():
    slices = NO_SLICES.add(at(10), at(25), 3.0).add(at(25), at(40), 6.0)
    parts = slices.distribute(at(10), at(40), 18.0)
    assert parts == [
        TimedEnergy(start=at(10), end=at(15), kwh=pytest.approx(2.0)),
        TimedEnergy(start=at(15), end=at(30), kwh=pytest.approx(8.0)),
        TimedEnergy(start=at(30), end=at(40), kwh=pytest.approx(8.0)),
    ]


@pytest.mark.parametrize("slices", [NO_SLICES, EnergySlices(first=at(0), kwh=(-0.5, 0.0))])
def test_energy_of_unknown_time_is_distributed_evenly(slices):
    assert [part.kwh for part in slices.distribute(at(0), at(30), 4.0)] == [2.0, 2.0]
    [only] = slices.distribute(at(20), at(20), 4.0)
    assert (only.start, only.end, only.kwh) == (at(20), at(30), pytest.approx(4.0))


@pytest.mark.parametrize(
    ("quarters", "minutes", "number"),
    [(200, 15, 200), (201, 30, 101), (400, 30, 201 - 1), (402, 60, 101), (672, 60, 169)],
)
def test_slices_of_a_long_session_are_joined_without_losing_energy(quarters, minutes, number):
    slices, start = NO_SLICES, 30
    for index in range(quarters):
        slices = slices.add(at(start + 15 * index), at(start + 15 * index + 15), 0.35)
    assert (slices.minutes, len(slices.kwh)) == (minutes, pytest.approx(number, abs=1))
    assert sum(slices.kwh) == pytest.approx(0.35 * quarters)
    assert len(json.dumps(slices.kwh)) < 2000
    parts = slices.distribute(at(start), at(start + 15 * quarters), 0.35 * quarters)
    assert (parts[0].start, parts[-1].end) == (at(start), at(start + 15 * quarters))
    for part in parts:
        assert part.kwh == pytest.approx(1.4 * ((part.end - part.start) / timedelta(hours=1)))
        assert floor_to_slice(part.start, slices.length) + slices.length >= part.end


def test_joined_slices_are_those_of_utc_hours():
    slices = EnergySlices(first=at(45), kwh=(1.0,) * 200).add(at(45 + 200 * 15), at(45 + 201 * 15), 1.0)
    assert (slices.first, slices.kwh[:2], slices.kwh[-1]) == (at(30), (1.0, 2.0), 2.0)
    assert slices.end == at(45 + 201 * 15)


def test_no_energy_has_no_parts():
    assert EnergySlices(first=at(0), kwh=(1.0,)).distribute(at(0), at(10), 0.0) == []


intervals = st.lists(st.tuples(st.integers(1, 300), st.floats(-1, 20)), min_size=1, max_size=12)


@given(intervals, st.floats(0.001, 100))
def test_parts_add_up_to_the_session_and_lie_in_it(pieces, kwh):
    slices, minutes = NO_SLICES, 7.0
    for duration, energy in pieces:
        slices = slices.add(at(minutes), at(minutes + duration), energy)
        minutes += duration
    parts = slices.distribute(at(7), at(minutes), kwh)
    assert sum(part.kwh for part in parts) == pytest.approx(kwh)
    for part in parts:
        assert at(7) <= part.start < part.end <= at(minutes)
        assert part.kwh > 0
        assert floor_to_slice(part.start) + SLICE >= part.end


@given(st.integers(0, 3000), st.integers(1, 3000), st.floats(0.1, 100))
def test_even_spread_is_proportional_to_time(start, duration, kwh):
    parts = list(spread_evenly(at(start), at(start + duration), kwh))
    assert (parts[0].start, parts[-1].end) == (at(start), at(start + duration))
    assert sum(part.kwh for part in parts) == pytest.approx(kwh)
    for part in parts:
        assert part.kwh == pytest.approx(kwh * ((part.end - part.start) / timedelta(minutes=duration)))
