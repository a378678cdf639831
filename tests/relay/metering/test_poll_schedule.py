"""The plan of polling: who obeys it never runs out of calls, is never long silent, and asks busy cars more often."""

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
SOMEBODY = UUID(int=7)
MONTHS = st.integers(28, 31).map(lambda days: timedelta(days=days))
REMAINING = st.timedeltas(timedelta(seconds=1), timedelta(days=31))
ACTIVITIES = st.sampled_from(VehicleActivity)
LEFT = st.integers(1, 20_000)


def budget(left, *, resets_at, used=0, call_tokens=0, user=SOMEBODY):
    return CallBudget(user_id=user, remaining_calls=left, used_calls=used, call_tokens=call_tokens, resets_at=resets_at)


@given(LEFT, REMAINING, ACTIVITIES)
def test_a_pause_is_five_minutes_to_six_hours(left, remaining, activity):
    assert MIN_POLL_INTERVAL <= plan_poll_interval(left, remaining, activity) <= MAX_POLL_INTERVAL


@given(LEFT, st.integers(0, 5000), REMAINING, ACTIVITIES)
def test_more_calls_left_are_never_asked_for_more_slowly(left, more, remaining, activity):
    assert plan_poll_interval(left + more, remaining, activity) <= plan_poll_interval(left, remaining, activity)


@given(LEFT, REMAINING)
def test_a_busier_car_is_never_asked_for_more_slowly(left, remaining):
    charging, plugged_in, parked = (plan_poll_interval(left, remaining, it) for it in VehicleActivity)
    assert charging <= plugged_in <= parked


@given(LEFT, st.integers(0, 20_000), REMAINING, ACTIVITIES, st.uuids())
def test_when_to_ask_is_within_the_bounds_and_not_long_after_a_new_month(left, used, remaining, activity, user):
    resets_at = NOW + remaining
    at = plan_next_poll(budget(left, used=used, resets_at=resets_at, user=user), activity, NOW)
    soonest, latest = NOW + MIN_POLL_INTERVAL * (1 - JITTER), NOW + MAX_POLL_INTERVAL * (1 + JITTER)
    assert soonest <= at <= latest
    assert at <= max(soonest, resets_at + RESET_JITTER)


@given(REMAINING, ACTIVITIES, st.uuids(), st.integers(0, 20_000))
def test_without_any_call_left_it_is_the_new_month_s_begin(remaining, activity, user, used):
    resets_at = NOW + remaining
    at = plan_next_poll(budget(0, used=used, resets_at=resets_at, user=user), activity, NOW)
    assert resets_at <= at <= resets_at + RESET_JITTER


def test_call_tokens_keep_up_the_slowest_pace_and_no_more():
    at = plan_next_poll(budget(0, call_tokens=5000, resets_at=NOW + timedelta(days=9)), VehicleActivity.CHARGING, NOW)
    assert MAX_POLL_INTERVAL * (1 - JITTER) <= at - NOW <= MAX_POLL_INTERVAL * (1 + JITTER)


def test_the_same_question_has_the_same_answer_and_others_are_spread():
    resets_at = NOW + timedelta(days=15)
    asked = [budget(1000, resets_at=resets_at, user=UUID(int=it)) for it in range(400)]
    answers = [plan_next_poll(it, VehicleActivity.PARKED, NOW) - NOW for it in asked]
    assert answers == [plan_next_poll(it, VehicleActivity.PARKED, NOW) - NOW for it in asked]
    plain = plan_poll_interval(1000, timedelta(days=15), VehicleActivity.PARKED)
    assert plain * 0.9 <= min(answers) < plain * 0.92
    assert plain * 1.08 < max(answers) <= plain * 1.1


def simulate(limit, month, activity_at, user):
    """An obedient client's month: the moments at which it asked, as time since the month's begin."""
    began, asked, now = NOW, [], NOW
    while now < began + month:
        asked.append(now - began)
        plan = budget(limit - len(asked), used=len(asked), resets_at=began + month, user=user)
        now = plan_next_poll(plan, activity_at(now - began), now)
    return asked


def nightly(hours_plugged, hours_charging):
    def activity_at(since):
        hour = since / timedelta(hours=1) % 24
        if hour < hours_charging:
            return VehicleActivity.CHARGING
        return VehicleActivity.PLUGGED_IN if hour < hours_plugged else VehicleActivity.PARKED

    return activity_at


PATTERNS = {
    "every night, four hours": nightly(12, 4),
    "every night, eight hours": nightly(14, 8),
    "never plugged in": nightly(0, 0),
    "always plugged in": nightly(24, 0),
    "always charging": nightly(24, 24),
}


@pytest.mark.parametrize("limit", [300, 2500, 10_000])
@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize("user", [UUID(int=1), UUID(int=2**127)])
def test_an_obedient_client_never_runs_out_and_is_never_long_silent(limit, pattern, user):
    asked = simulate(limit, timedelta(days=30), PATTERNS[pattern], user)
    assert len(asked) <= limit
    # Not even by standing still: to the very end there is a call for the slowest pace.
    pauses = [after - before for before, after in zip(asked, [*asked[1:], timedelta(days=30)], strict=True)]
    assert max(pauses) <= MAX_POLL_INTERVAL * (1 + JITTER)


@pytest.mark.parametrize(("limit", "least"), [(300, 0.8), (2500, 0.8)])
def test_what_was_paid_for_is_used(limit, least):
    asked = simulate(limit, timedelta(days=30), PATTERNS["every night, four hours"], UUID(int=3))
    assert len(asked) >= least * limit


@settings(max_examples=60, deadline=None)
@given(st.sampled_from([130, 300, 2500]), MONTHS, st.lists(ACTIVITIES, min_size=1, max_size=60), st.uuids())
def test_whatever_the_cars_do_the_calls_last_to_the_end_of_the_month(limit, month, six_hours, user):
    def activity_at(since):
        return six_hours[int(since / timedelta(hours=6)) % len(six_hours)]

    asked = simulate(limit, month, activity_at, user)
    assert len(asked) <= limit
    assert limit < month / MAX_POLL_INTERVAL * 1.2 or month - asked[-1] <= MAX_POLL_INTERVAL * (1 + JITTER)
