"""Calls that are left, and how many will have been used at the end of the month."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from custom_components.evconduit.client import Allowance
from custom_components.evconduit.forecast import forecast_calls, get_calls_left, get_previous_reset

RESETS_AT = datetime(2026, 12, 14, tzinfo=UTC)


def make_allowance(limit: int | None = 2500, used: int | None = 300, call_tokens: int | None = 0) -> Allowance:
    return Allowance(limit=limit, used=used, resets_at=RESETS_AT, call_tokens=call_tokens)


@pytest.mark.parametrize(
    ("limit", "used", "call_tokens", "expected"),
    [
        (2500, 300, 0, 2200),
        (2500, 2500, 0, 0),
        (2500, 2600, 0, 0),
        (2500, 2500, 40, 40),
        (2500, 300, None, 2200),
        (None, 300, 40, None),
        (2500, None, 40, None),
    ],
)
def test_calls_left_include_call_tokens(
    limit: int | None, used: int | None, call_tokens: int | None, expected: int | None
):
    assert get_calls_left(make_allowance(limit, used, call_tokens)) == expected


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        (datetime(2026, 11, 14, tzinfo=UTC), None),
        (datetime(2026, 11, 14, 23, 59, tzinfo=UTC), None),
        (datetime(2026, 11, 15, tzinfo=UTC), 9000),
        (datetime(2026, 11, 29, tzinfo=UTC), 600),
        (datetime(2026, 12, 13, 23, 59, 59, tzinfo=UTC), 300),
        (RESETS_AT, None),
        (datetime(2026, 11, 1, tzinfo=UTC), None),
    ],
)
def test_forecast_extends_the_rate_so_far(now: datetime, expected: int | None):
    assert forecast_calls(make_allowance(), now) == expected


def test_forecast_needs_the_used_calls_and_the_reset():
    now = RESETS_AT - timedelta(days=10)
    assert forecast_calls(make_allowance(used=None), now) is None
    assert forecast_calls(Allowance(limit=1, used=1, resets_at=None, call_tokens=0), now) is None


@pytest.mark.parametrize(
    ("resets_at", "expected"),
    [
        (datetime(2026, 12, 14, tzinfo=UTC), datetime(2026, 11, 14, tzinfo=UTC)),
        (datetime(2027, 1, 1, tzinfo=UTC), datetime(2026, 12, 1, tzinfo=UTC)),
        (datetime(2027, 3, 28, tzinfo=UTC), datetime(2027, 2, 28, tzinfo=UTC)),
        (datetime(2027, 3, 31, tzinfo=UTC), datetime(2027, 2, 28, tzinfo=UTC)),
    ],
)
def test_month_began_on_the_same_day_of_the_previous_month(resets_at: datetime, expected: datetime):
    assert get_previous_reset(resets_at) == expected


@given(st.integers(0, 36_500))
def test_month_is_28_to_31_days_long(days: int):
    resets_at = datetime(2000, 1, 1, tzinfo=UTC) + timedelta(days=days)
    assert timedelta(days=28) <= resets_at - get_previous_reset(resets_at) <= timedelta(days=31)
