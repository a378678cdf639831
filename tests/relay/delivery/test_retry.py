from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.delivery.retry import INITIAL_DELAYS, OFF_AFTER, PROBE_INTERVAL, PROBE_PERIOD, plan_retry

random_fractions = st.floats(0, 1, exclude_max=True)
HOUR = timedelta(hours=1)


@pytest.mark.parametrize(("failures", "seconds"), enumerate([5, 30, 120, 600, 1800], start=1))
def test_first_five_retries_follow_the_documented_delays(failures, seconds):
    plan = plan_retry(failures, failing_for=timedelta())
    assert (plan.is_off, plan.delay) == (False, timedelta(seconds=seconds))


@given(failures=st.integers(6, 10_000), hours=st.floats(0, 119.9), fraction=random_fractions)
def test_later_retries_are_hourly_with_jitter(failures, hours, fraction):
    plan = plan_retry(failures, failing_for=HOUR * hours, random_fraction=fraction)
    assert not plan.is_off
    assert HOUR * 0.8 <= plan.delay <= HOUR * 1.2


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
