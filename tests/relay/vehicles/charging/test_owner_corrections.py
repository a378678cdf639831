"""Corrections by a vehicle's owner. Times are minutes after noon."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.vehicles.charging.owner_corrections import (
    CorrectedEnergy,
    OwnerCorrection,
    allot_corrections,
    correct_energy,
    distribute_energy,
    get_stated_energy,
    is_overlapping,
    replace_corrections,
)
from relay.vehicles.charging.periods import ChargingPeriod
from relay.vehicles.charging.slices import EnergySlices
from tests.relay.support.charging import at


def make_period(start, end, kwh=None):
    return ChargingPeriod(started_at=at(start), ended_at=at(end), open=False, power_kwh=kwh)


def state(start, end, kwh):
    """A correction of the energy."""
    return OwnerCorrection(started_at=at(start), ended_at=at(end), energy_kwh=kwh)


def delete(start, end, kwh=None):
    return OwnerCorrection(started_at=at(start), ended_at=at(end), energy_kwh=kwh, deleted=True)


def correct(periods, corrections):
    """The energy of each period after all corrections."""
    allotted = allot_corrections(periods, corrections)
    return [correct_energy(period, own) for period, own in zip(periods, allotted, strict=True)]


def corrected(kwh):
    return CorrectedEnergy(energy_kwh=kwh, is_corrected=True)


DELETED = CorrectedEnergy(energy_kwh=None, is_deleted=True)


@pytest.mark.parametrize(
    ("period", "corrections", "result"),
    [
        pytest.param((0, 60, 10), [], CorrectedEnergy(energy_kwh=10), id="nothing corrected"),
        pytest.param((0, 60, None), [], CorrectedEnergy(energy_kwh=None), id="nothing known, nothing corrected"),
        pytest.param((0, 60, 10), [state(0, 60, 12)], corrected(12), id="energy corrected"),
        pytest.param((0, 60, 10), [state(0, 60, 0)], corrected(0), id="energy corrected to zero"),
        pytest.param((0, 60, None), [state(0, 60, 12)], corrected(12), id="unknown energy corrected"),
        pytest.param((0, 60, 10), [delete(0, 60)], DELETED, id="deleted"),
        pytest.param((0, 60, 10), [delete(0, 60, 12)], DELETED, id="corrected, then deleted"),
        pytest.param((0, 0, 1), [delete(0, 0)], DELETED, id="deleted session of a single report"),
        pytest.param((-10, 70, 10), [state(0, 60, 12)], corrected(12), id="ends moved by 10 minutes"),
        pytest.param((-10, 70, 10), [delete(0, 60)], DELETED, id="deleted, ends moved by 10 minutes"),
        pytest.param((20, 40, 10), [state(0, 60, 12)], corrected(12), id="derived shorter than corrected"),
        pytest.param((0, 120, 20), [state(0, 60, 12)], corrected(22), id="went on after the correction"),
        pytest.param((0, 120, 20), [delete(0, 60)], corrected(10), id="went on after the deletion"),
        pytest.param((-60, 60, 20), [delete(0, 60)], corrected(10), id="turned out to have begun earlier"),
        pytest.param((0, 120, None), [delete(0, 60)], corrected(None), id="went on with unknown energy"),
        pytest.param((0, 120, None), [state(0, 60, 12)], corrected(12), id="stated, went on with unknown energy"),
        pytest.param((0, 60, 10), [delete(0, 0)], corrected(10), id="deleted when a single report was known"),
        pytest.param(
            (0, 150, 30), [delete(0, 60), delete(90, 150)], DELETED, id="two deleted ones joined over a pause"
        ),
        pytest.param((0, 150, 30), [delete(90, 150), delete(0, 60)], DELETED, id="the same in another order"),
        pytest.param(
            (0, 200, 30), [state(0, 60, 5), delete(90, 200)], corrected(5), id="a corrected and a deleted one joined"
        ),
        pytest.param((0, 160, 32), [delete(0, 60), delete(100, 160)], corrected(8), id="joined over unseen charging"),
        pytest.param(
            (60, 90, 10), [delete(0, 60)], CorrectedEnergy(energy_kwh=10), id="begins when a deleted one ends"
        ),
        pytest.param((60, 60, 1), [delete(0, 60)], CorrectedEnergy(energy_kwh=1), id="a single report at that moment"),
        pytest.param(
            (0, 60, 10), [delete(60, 90)], CorrectedEnergy(energy_kwh=10), id="ends when a deleted one begins"
        ),
    ],
)
def test_correction_replaces_what_was_derived_within_its_range(period, corrections, result):
    [energy] = correct([make_period(*period)], corrections)
    assert energy == replace(result, energy_kwh=result.energy_kwh and pytest.approx(result.energy_kwh))


@pytest.mark.parametrize(
    ("corrections", "kwh", "parts"),
    [
        pytest.param([], 12, [(0, 2), (15, 4), (45, 6)], id="nothing corrected"),
        pytest.param([state(0, 60, 6)], 6, [(0, 1), (15, 2), (45, 3)], id="in proportion to what was derived"),
        pytest.param([delete(0, 30)], 6, [(45, 6)], id="only what was charged after a deletion"),
        pytest.param([state(0, 30, 3)], 9, [(0, 1), (15, 2), (45, 6)], id="stated, then as derived"),
        pytest.param([state(30, 45, 3)], 15, [(0, 2), (15, 4), (30, 3), (45, 6)], id="where nothing was derived"),
        pytest.param(
            [state(0, 52.5, 6), delete(52.5, 60)], 6, [(0, 4 / 3), (15, 8 / 3), (45, 2)], id="two corrections"
        ),
        pytest.param([delete(0, 60)], None, [], id="deleted"),
    ],
)
def test_energy_is_taken_from_the_quarter_hours_in_which_it_was_charged(corrections, kwh, parts):
    slices = EnergySlices(first=at(0), kwh=(2.0, 4.0, 0.0, 6.0))
    period = replace(make_period(0, 60, 12), slices=slices)
    [own] = allot_corrections([period], corrections)
    assert correct_energy(period, own).energy_kwh == (kwh and pytest.approx(kwh))
    found = [((part.start - at(0)) / timedelta(minutes=1), part.kwh) for part in distribute_energy(period, own)]
    assert found == [(start, pytest.approx(energy)) for start, energy in parts]


@pytest.mark.parametrize(
    ("periods", "energies"),
    [
        pytest.param([(0, 60, 10), (60, 120, 30)], [3, 9], id="by derived energy"),
        pytest.param([(0, 30, None), (30, 120, None)], [3, 9], id="by time where no energy is known"),
        pytest.param([(0, 60, 0), (90, 120, 0)], [8, 4], id="by time where none was derived"),
        pytest.param([(0, 0, None)], [12], id="all of it to a single report"),
        pytest.param([(0, 60, 10), (60, 180, 40)], [4, 28], id="without what one charged after the range"),
    ],
)
def test_stated_energy_is_divided_when_a_session_turns_out_to_be_several(periods, energies):
    result = correct([make_period(*period) for period in periods], [state(0, 120, 12)])
    assert [energy.energy_kwh for energy in result] == pytest.approx(energies)
    assert all(energy.is_corrected for energy in result)


def test_deletion_applies_to_each_session_that_it_turns_out_to_be():
    assert correct([make_period(0, 40, 3), make_period(50, 90, 4)], [delete(0, 90)]) == [DELETED, DELETED]


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [((0, 60), (60, 90), False), ((0, 60), (59, 90), True), ((0, 0), (0, 0), True), ((0, 0), (0, 9), True)],
)
def test_ranges_that_only_touch_do_not_overlap(one, other, expected):
    assert is_overlapping(make_period(*one), make_period(*other)) is expected
    assert is_overlapping(make_period(*other), make_period(*one)) is expected


@pytest.mark.parametrize(
    ("existing", "new", "result"),
    [
        pytest.param([], state(0, 60, 9), [state(0, 60, 9)], id="first correction"),
        pytest.param([state(0, 60, 9)], state(0, 60, 8), [state(0, 60, 8)], id="corrected again"),
        pytest.param([state(0, 60, 9)], None, [], id="undone"),
        pytest.param([delete(-10, 70)], None, [], id="undone with its edges"),
        pytest.param([state(0, 50, 9), delete(50, 60)], state(0, 60, 8), [state(0, 60, 8)], id="two replaced by one"),
        pytest.param([state(-90, 0, 9)], None, [state(-90, 0, 9)], id="the one before stays"),
        pytest.param([state(60, 65, 9)], None, [state(60, 65, 9)], id="the short one after stays"),
        pytest.param(
            [state(-30, 90, 12)], None, [state(-30, 0, 3), state(60, 90, 3)], id="what is outside the session stays"
        ),
        pytest.param(
            [delete(60, 90)], delete(0, 60), [delete(0, 60), delete(60, 90)], id="several deleted ones in order"
        ),
    ],
)
def test_new_correction_replaces_what_was_corrected_in_its_session(existing, new, result):
    assert replace_corrections(existing, make_period(0, 60), new) == result


@pytest.mark.parametrize(
    ("corrections", "energy"),
    [([], None), ([delete(0, 9)], None), ([delete(0, 9, 5)], 5), ([state(0, 9, 5), delete(9, 20, 2)], 7)],
)
def test_stated_energy_of_a_session_survives_its_deletion(corrections, energy):
    assert get_stated_energy(corrections) == energy


minutes = st.integers(0, 600)


@st.composite
def splits(draw):
    """Periods in order that don't overlap, and their total derived energy."""
    edges = sorted(draw(st.lists(minutes, min_size=2, max_size=12, unique=True)))
    return [
        make_period(start, end, draw(st.floats(0, 100, allow_subnormal=False)))
        for start, end in zip(edges[::2], edges[1::2], strict=False)
        if start < end
    ]


@given(splits(), st.floats(0, 500))
def test_energy_stated_for_all_sessions_is_their_sum_however_they_are_split(periods, kwh):
    if not periods:
        return
    correction = OwnerCorrection(started_at=periods[0].started_at, ended_at=periods[-1].ended_at, energy_kwh=kwh)
    assert sum(energy.energy_kwh for energy in correct(periods, [correction])) == pytest.approx(kwh, abs=1e-6)


@given(splits(), st.lists(st.tuples(minutes, minutes, st.none() | st.floats(0, 100)), max_size=3))
def test_quarter_hours_add_up_to_the_energy_that_counts(periods, ranges):
    corrections = []
    for start, end, kwh in ranges:
        first, last = sorted((start, end))
        new = delete(first, last) if kwh is None else state(first, last, kwh)
        corrections = replace_corrections(corrections, new, new)
    for period, own in zip(periods, allot_corrections(periods, corrections), strict=True):
        total = sum(part.kwh for part in distribute_energy(period, own))
        assert total == pytest.approx(correct_energy(period, own).energy_kwh or 0.0, abs=1e-6)


@given(splits(), minutes, minutes)
def test_deletion_never_adds_energy_and_leaves_other_sessions_alone(periods, start, end):
    correction = delete(min(start, end), max(start, end))
    for period, energy in zip(periods, correct(periods, [correction]), strict=True):
        assert (energy.energy_kwh or 0) <= period.energy_kwh + 1e-9
        if not is_overlapping(period, correction):
            assert energy == CorrectedEnergy(energy_kwh=period.energy_kwh)
