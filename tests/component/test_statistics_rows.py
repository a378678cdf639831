"""Rows of hourly statistics with running sums."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from relay_double import TESLA

from custom_components.evconduit.statistics_rows import StatisticsRow, create_statistic_ids, merge_rows

START = datetime(2026, 11, 20, tzinfo=UTC)
HOURS = [START + timedelta(hours=number) for number in range(8)]
ENERGIES = st.floats(0, 100)
VALUES = st.dictionaries(st.sampled_from(HOURS), ENERGIES)


def row(state: float, total: float) -> StatisticsRow:
    return StatisticsRow(state=state, sum=total)


@pytest.mark.parametrize(
    ("values", "before", "stored", "expected"),
    [
        ({}, 0, {}, {}),
        ({0: 2, 2: 3}, 0, {}, {0: row(2, 2), 2: row(3, 5)}),
        ({0: 2, 2: 3}, 10, {}, {0: row(2, 12), 2: row(3, 15)}),
        ({0: 2, 2: 3}, 0, {0: row(2, 2), 2: row(3, 5)}, {}),
        ({0: 2, 2: 4}, 0, {0: row(2, 2), 2: row(3, 5)}, {2: row(4, 6)}),
        # An hour that changes moves the sums of all hours after it.
        ({0: 1, 2: 3}, 0, {0: row(2, 2), 2: row(3, 5)}, {0: row(1, 1), 2: row(3, 4)}),
        # An hour that is empty now has the sum of the hour before it.
        ({2: 3}, 0, {0: row(2, 2), 2: row(3, 5)}, {0: row(0, 0), 2: row(3, 3)}),
        ({0: 2}, 0, {0: row(2, 2), 2: row(3, 5)}, {2: row(0, 2)}),
        ({}, 7, {0: row(2, 9)}, {0: row(0, 7)}),
        ({0: 2.0000001}, 0, {0: row(2, 2)}, {}),
        ({0: 2.00001}, 0, {0: row(2, 2)}, {0: row(2.00001, 2.00001)}),
    ],
)
def test_rows_to_write(
    values: dict[int, float], before: float, stored: dict[int, StatisticsRow], expected: dict[int, StatisticsRow]
):
    rows = merge_rows({HOURS[n]: v for n, v in values.items()}, before, {HOURS[n]: r for n, r in stored.items()})
    assert rows == {HOURS[number]: row_ for number, row_ in expected.items()}


@given(VALUES, VALUES, st.floats(0, 1000))
def test_merged_rows_are_those_of_the_new_values_only(
    old: dict[datetime, float], new: dict[datetime, float], before: float
):
    """Whatever was stored: each hour has its value, and a sum that is the sum of all values up to it."""
    stored = merge_rows(old, 0, {})
    result = stored | merge_rows(new, before, stored)
    for hour, merged in result.items():
        assert merged.state == pytest.approx(new.get(hour, 0), abs=1e-5)
        assert merged.sum == pytest.approx(before + sum(value for h, value in new.items() if h <= hour), abs=1e-4)
    assert merge_rows(new, before, result) == {}


def test_statistic_ids_have_no_hyphens():
    assert create_statistic_ids(TESLA) == (
        "evconduit:a1f0c2d4000040008000000000000001_charge_energy",
        "evconduit:a1f0c2d4000040008000000000000001_charge_cost",
    )
