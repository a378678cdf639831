from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.delivery.retry import INITIAL_DELAYS, OFF_AFTER, PROBE_INTERVAL, PROBE_PERIOD, plan_retry

random_fractions = st.floats(0, 1, exclude_max=True)
HOUR, MINUTE, SECOND = timedelta(hours=1), timedelta(minutes=1), timedelta(seconds=1)


@pytest.mark.parametrize(("failures", "seconds"), enumerate([5, 30, 120, 600, 1800], start=1))
def test_first_five_retries_follow_the_documented_delays(failures, seconds):
    plan = plan_retry(failures, failing_for=timedelta())
    assert (plan.is_off, plan.delay) == (False, timedelta(seconds=seconds))


@given(failures=st.integers(6, 10_000), hours=st.floats(0, 119.9), fraction=random_fractions)
def test_later_retries_are_hourly_with_jitter(failures, hours, fraction):
    plan = plan_retry(failures, failing_for=HOUR * hours, random_fraction=fraction)
    assert not plan.is_off
    assert HOUR * 0.8 <= plan.delay <= HOUR * 1.2


@pytest.mark.parametrize(("fraction", "minutes"), [(0.0, 48), (0.25, 54), (0.5, 60), (0.75, 66), (1 - 2**-53, 72)])
def test_hourly_retries_and_probes_spread_over_20_percent_on_both_sides(fraction, minutes):
    """The fraction is drawn at random for each failure, so the delays spread evenly from 48 to 72 minutes."""
    hourly = plan_retry(6, failing_for=timedelta(), random_fraction=fraction).delay
    probe = plan_retry(200, failing_for=timedelta(days=5), random_fraction=fraction).delay
    later_probe = plan_retry(200, failing_for=timedelta(days=6), off_for=timedelta(), random_fraction=fraction).delay
    assert (hourly, probe, later_probe) == pytest.approx((minutes * MINUTE, 6 * minutes * MINUTE, 6 * minutes * MINUTE))


@given(fraction=random_fractions, failures=st.integers(1, 5))
def test_first_five_retries_have_no_jitter(fraction, failures):
    plan = plan_retry(failures, failing_for=timedelta(), random_fraction=fraction)
    assert plan.delay == INITIAL_DELAYS[failures - 1]


@pytest.mark.parametrize(
    ("failing_for", "off_for", "expected"),
    [
        (timedelta(days=5) - SECOND, None, (False, HOUR)),
        (timedelta(days=5), None, (True, 6 * HOUR)),
        (timedelta(0), timedelta(0), (True, 6 * HOUR)),
        (timedelta(days=35) - SECOND, timedelta(days=30) - SECOND, (True, 6 * HOUR)),
        (timedelta(days=35), timedelta(days=30), (True, None)),
        (timedelta(0), timedelta(days=30), (True, None)),
    ],
)
def test_endpoint_is_off_from_five_days_on_and_given_up_thirty_days_later(failing_for, off_for, expected):
    plan = plan_retry(100, failing_for=failing_for, off_for=off_for)
    assert (plan.is_off, plan.delay) == expected


@given(failures=st.integers(1, 10_000), days=st.floats(5, 100), off_days=st.floats(0, 100), fraction=random_fractions)
def test_endpoint_failing_for_five_days_is_off_and_probed_for_thirty(failures, days, off_days, fraction):
    day = timedelta(days=1)
    assert plan_retry(failures, failing_for=day * days, random_fraction=fraction).is_off
    plan = plan_retry(failures, failing_for=day * days, off_for=day * off_days, random_fraction=fraction)
    assert plan.is_off
    if off_days >= 30:
        assert plan.delay is None
    else:
        assert PROBE_INTERVAL * 0.8 <= plan.delay <= PROBE_INTERVAL * 1.2


@given(st.lists(random_fractions, min_size=400, max_size=400))
def test_endpoint_that_never_answers_is_not_retried_after_35_days(fractions):
    """The complete schedule: on for five days, probed for thirty, plan not retried."""
    now, off_at = timedelta(), None
    delays = []
    for failures, fraction in enumerate(fractions, start=1):
        off_for = None if off_at is None else now - off_at
        plan = plan_retry(failures, failing_for=now, off_for=off_for, random_fraction=fraction)
        off_at = off_at if off_at is not None or not plan.is_off else now
        if plan.delay is None:
            break
        delays.append(plan.delay)
        now += plan.delay
    else:
        pytest.fail("still retried")
    assert tuple(delays[:5]) == INITIAL_DELAYS
    assert OFF_AFTER <= off_at <= OFF_AFTER + HOUR * 1.2
    assert off_at + PROBE_PERIOD <= now <= off_at + PROBE_PERIOD + PROBE_INTERVAL * 1.2
