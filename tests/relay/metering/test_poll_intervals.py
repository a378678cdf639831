"""The exact intervals of the poll schedule: reserve, weights, limits and jitter.

Nine days are 216 hours, for which the slowest rate needs 40 calls: one every six hours, or every 5.4 with jitter.
"""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.metering.poll_schedule import CallBudget, VehicleActivity, plan_next_poll, plan_poll_interval

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
NINE_DAYS = timedelta(days=9)
CHARGING, PLUGGED_IN, PARKED = VehicleActivity.CHARGING, VehicleActivity.PLUGGED_IN, VehicleActivity.PARKED
HOUR = timedelta(hours=1)
SECOND = timedelta(seconds=1)


@pytest.mark.parametrize(
    ("calls", "activity", "hours"),
    [
        pytest.param(40, CHARGING, 6, id="the reserve is not spent, even while charging"),
        pytest.param(39, CHARGING, 6, id="less than the reserve"),
        pytest.param(1, CHARGING, 6, id="a single call"),
        pytest.param(41, PLUGGED_IN, 216 / 37, id="one call more than the reserve"),
        pytest.param(76, PLUGGED_IN, 3, id="36 spare calls while plugged in double the rate"),
        pytest.param(76, CHARGING, 1.2, id="36 spare calls while charging count four times"),
        pytest.param(76, PARKED, 4.8, id="36 spare calls while parked count a quarter"),
        pytest.param(2595, PLUGGED_IN, 216 / 2591, id="nearly five minutes"),
        pytest.param(2596, PLUGGED_IN, 1 / 12, id="five minutes"),
        pytest.param(9999, PLUGGED_IN, 1 / 12, id="never less than five minutes"),
    ],
)
def test_spare_calls_are_spread_over_the_remaining_time_by_activity(calls, activity, hours):
    assert plan_poll_interval(calls, NINE_DAYS, activity) / HOUR == pytest.approx(hours)


@pytest.mark.parametrize(
    ("calls", "days", "hours"),
    [(121, 27.0, 216 * 3 / 109), (20, 4.5, 6), (39, 4.5, 108 / 37), (1, 0.0, 1 / 12), (1, -1.0, 1 / 12)],
)
def test_reserve_shrinks_with_the_remaining_time(calls, days, hours):
    assert plan_poll_interval(calls, timedelta(days=days), PLUGGED_IN) / HOUR == pytest.approx(hours)


@given(st.integers(41, 600), st.integers(1, 10))
def test_extra_rate_of_an_activity_is_its_weight(calls, factor):
    calls, remaining = calls * factor, NINE_DAYS * factor

    def get_extra_rate(activity):
        return HOUR / plan_poll_interval(calls, remaining, activity) - 1 / 6

    assert get_extra_rate(CHARGING) == pytest.approx(4 * get_extra_rate(PLUGGED_IN))
    assert get_extra_rate(PARKED) == pytest.approx(get_extra_rate(PLUGGED_IN) / 4)


@given(st.integers(41, 2000), st.integers(2, 5), st.sampled_from(VehicleActivity))
def test_same_rate_of_calls_gives_the_same_interval(calls, factor, activity):
    once = plan_poll_interval(calls, NINE_DAYS, activity)
    assert abs(plan_poll_interval(calls * factor, NINE_DAYS * factor, activity) - once) < SECOND


def plan(*, user=7, used=0, left=0, tokens=0, resets_in=NINE_DAYS, activity=PLUGGED_IN):
    budget = CallBudget(
        user_id=UUID(int=user), remaining_calls=left, used_calls=used, call_tokens=tokens, resets_at=NOW + resets_in
    )
    return plan_next_poll(budget, activity, NOW) - NOW


def test_new_month_is_polled_within_five_minutes_spread_over_users():
    waits = [plan(user=number) - NINE_DAYS for number in range(400)]
    assert timedelta() <= min(waits) < 5 * SECOND
    assert timedelta(minutes=5) - 5 * SECOND < max(waits) <= timedelta(minutes=5)


@pytest.mark.parametrize(
    ("activity", "left", "tokens", "interval"),
    [
        pytest.param(PLUGGED_IN, 76, 0, 3 * HOUR, id="calls of the allowance"),
        pytest.param(CHARGING, 76, 0, 1.2 * HOUR, id="calls of the allowance while charging"),
        pytest.param(CHARGING, 76, 999, 1.2 * HOUR, id="tokens are not part of the plan"),
        pytest.param(CHARGING, 1, 999, 6 * HOUR, id="the last call of the allowance"),
        pytest.param(CHARGING, 0, 1, 6 * HOUR, id="a single token"),
        pytest.param(CHARGING, 0, 999, 6 * HOUR, id="many tokens"),
    ],
)
def test_jitter_stretches_or_shortens_an_interval_by_a_tenth(activity, left, tokens, interval):
    waits = [plan(user=number, left=left, tokens=tokens, activity=activity) for number in range(400)]
    assert 0.9 * interval <= min(waits) < 0.905 * interval
    assert 1.095 * interval < max(waits) <= 1.1 * interval
    assert sum(waits, timedelta()) / 400 / interval == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize("left", [0, -1])
def test_month_that_should_have_ended_is_polled_now(left):
    assert plan(left=left, resets_in=timedelta(hours=-1)) == timedelta()


@pytest.mark.parametrize("resets_in", [timedelta(), timedelta(minutes=-60)])
def test_poll_is_never_sooner_than_the_shortest_interval_with_jitter(resets_in):
    assert plan(left=9999, resets_in=resets_in) == timedelta(minutes=4.5)


def test_poll_does_not_wait_longer_than_to_the_new_month():
    waits = [plan(user=number, left=1, resets_in=HOUR, activity=PARKED) - HOUR for number in range(400)]
    assert timedelta() <= min(waits)
    assert timedelta(minutes=4.9) < max(waits) <= timedelta(minutes=5)


def test_jitter_changes_with_each_used_call_and_each_user():
    assert len({plan(left=76, used=used) for used in range(50)}) == 50
    assert len({plan(left=76, user=user) for user in range(50)}) == 50


def test_every_process_and_version_plans_the_same_time():
    """During an update, an old and a new relay answer the same client."""
    assert plan(left=76, used=3) / SECOND == pytest.approx(10_716.501464)
