"""The poll schedule: a client that follows it never runs out of calls and polls busy vehicles more often."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relay.metering.poll_schedule import (
    JITTER,
    MAX_POLL_INTERVAL,
    MIN_POLL_INTERVAL,
    RESET_JITTER,
    CallBudget,
    VehicleActivity,
    plan_next_poll,
    plan_poll_interval,
)

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
USER_ID = UUID(int=7)
MONTHS = st.integers(28, 31).map(lambda days: timedelta(days=days))
REMAINING = st.timedeltas(timedelta(seconds=1), timedelta(days=31))
ACTIVITIES = st.sampled_from(VehicleActivity)
LEFT = st.integers(1, 20_000)


def budget(left, *, resets_at, used=0, call_tokens=0, user=USER_ID):
    return CallBudget(user_id=user, remaining_calls=left, used_calls=used, call_tokens=call_tokens, resets_at=resets_at)


@given(LEFT, REMAINING, ACTIVITIES)
def test_interval_is_five_minutes_to_six_hours(left, remaining, activity):
    assert MIN_POLL_INTERVAL <= plan_poll_interval(left, remaining, activity) <= MAX_POLL_INTERVAL


@given(LEFT, st.integers(0, 5000), REMAINING, ACTIVITIES)
def test_more_remaining_calls_never_lengthen_the_interval(left, more, remaining, activity):
    assert plan_poll_interval(left + more, remaining, activity) <= plan_poll_interval(left, remaining, activity)


@given(LEFT, REMAINING)
def test_more_activity_never_lengthens_the_interval(left, remaining):
    charging, plugged_in, parked = (plan_poll_interval(left, remaining, activity) for activity in VehicleActivity)
    assert charging <= plugged_in <= parked


@given(LEFT, st.integers(0, 20_000), REMAINING, ACTIVITIES, st.uuids())
def test_next_poll_is_within_bounds_and_soon_after_a_new_month(left, used, remaining, activity, user):
    resets_at = NOW + remaining
    at = plan_next_poll(budget(left, used=used, resets_at=resets_at, user=user), activity, NOW)
    soonest, latest = NOW + MIN_POLL_INTERVAL * (1 - JITTER), NOW + MAX_POLL_INTERVAL * (1 + JITTER)
    assert soonest <= at <= latest
    assert at <= max(soonest, resets_at + RESET_JITTER)


@given(REMAINING, ACTIVITIES, st.uuids(), st.integers(0, 20_000))
def test_next_poll_without_remaining_calls_is_at_the_start_of_the_new_month(remaining, activity, user, used):
    resets_at = NOW + remaining
    at = plan_next_poll(budget(0, used=used, resets_at=resets_at, user=user), activity, NOW)
    assert resets_at <= at <= resets_at + RESET_JITTER


def test_call_tokens_pay_for_the_slowest_rate_only():
    at = plan_next_poll(budget(0, call_tokens=5000, resets_at=NOW + timedelta(days=9)), VehicleActivity.CHARGING, NOW)
    assert MAX_POLL_INTERVAL * (1 - JITTER) <= at - NOW <= MAX_POLL_INTERVAL * (1 + JITTER)


def test_schedule_is_deterministic_and_spread_over_users():
    resets_at = NOW + timedelta(days=15)
    budgets = [budget(1000, resets_at=resets_at, user=UUID(int=number)) for number in range(400)]
    intervals = [plan_next_poll(user_budget, VehicleActivity.PARKED, NOW) - NOW for user_budget in budgets]
    assert intervals == [plan_next_poll(user_budget, VehicleActivity.PARKED, NOW) - NOW for user_budget in budgets]
    plain = plan_poll_interval(1000, timedelta(days=15), VehicleActivity.PARKED)
    assert plain * 0.9 <= min(intervals) < plain * 0.92
    assert plain * 1.08 < max(intervals) <= plain * 1.1


def simulate(limit, month, activity_at, user):
    """The polls of a client that follows the schedule for a month, as times since the month's start."""
    started_at, polls, now = NOW, [], NOW
    while now < started_at + month:
        polls.append(now - started_at)
        remaining = budget(limit - len(polls), used=len(polls), resets_at=started_at + month, user=user)
        now = plan_next_poll(remaining, activity_at(now - started_at), now)
    return polls


def charge_nightly(hours_plugged, hours_charging):
    def activity_at(since):
        hour = since / timedelta(hours=1) % 24
        if hour < hours_charging:
            return VehicleActivity.CHARGING
        return VehicleActivity.PLUGGED_IN if hour < hours_plugged else VehicleActivity.PARKED

    return activity_at


PATTERNS = {
    "every night, four hours": charge_nightly(12, 4),
    "every night, eight hours": charge_nightly(14, 8),
    "never plugged in": charge_nightly(0, 0),
    "always plugged in": charge_nightly(24, 0),
    "always charging": charge_nightly(24, 24),
}


@pytest.mark.parametrize("limit", [300, 2500, 10_000])
@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize("user", [UUID(int=1), UUID(int=2**127)])
def test_client_that_follows_the_schedule_never_runs_out_of_calls(limit, pattern, user):
    polls = simulate(limit, timedelta(days=30), PATTERNS[pattern], user)
    assert len(polls) <= limit
    # It doesn't stop polling either: the slowest rate lasts to the end of the month.
    intervals = [after - before for before, after in zip(polls, [*polls[1:], timedelta(days=30)], strict=True)]
    assert max(intervals) <= MAX_POLL_INTERVAL * (1 + JITTER)


@pytest.mark.parametrize(("limit", "least"), [(300, 0.8), (2500, 0.8)])
def test_most_of_the_allowance_is_used(limit, least):
    polls = simulate(limit, timedelta(days=30), PATTERNS["every night, four hours"], UUID(int=3))
    assert len(polls) >= least * limit


@settings(max_examples=60)
@given(st.sampled_from([130, 300, 2500]), MONTHS, st.lists(ACTIVITIES, min_size=1, max_size=60), st.uuids())
def test_calls_last_to_the_end_of_the_month_with_any_activity(limit, month, activities, user):
    def activity_at(since):
        return activities[int(since / timedelta(hours=6)) % len(activities)]

    polls = simulate(limit, month, activity_at, user)
    assert len(polls) <= limit
    assert limit < month / MAX_POLL_INTERVAL * 1.2 or month - polls[-1] <= MAX_POLL_INTERVAL * (1 + JITTER)
