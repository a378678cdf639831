from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.delivery.retry import INITIAL_DELAYS, OFF_AFTER, PROBE_INTERVAL, PROBE_PERIOD, plan_retry

chances = st.floats(0, 1, exclude_max=True)
HOUR = timedelta(hours=1)


@pytest.mark.parametrize(("failures", "seconds"), enumerate([5, 30, 120, 600, 1800], start=1))
def test_the_first_retries_come_when_it_is_promised(failures, seconds):
    then = plan_retry(failures, failing_for=timedelta())
    assert (then.is_off, then.delay) == (False, timedelta(seconds=seconds))


@given(failures=st.integers(6, 10_000), hours=st.floats(0, 119.9), chance=chances)
def test_later_ones_come_hourly_spread_by_a_fifth(failures, hours, chance):
    then = plan_retry(failures, failing_for=HOUR * hours, random_fraction=chance)
    assert not then.is_off
    assert HOUR * 0.8 <= then.delay <= HOUR * 1.2


@given(failures=st.integers(1, 10_000), days=st.floats(5, 100), off_days=st.floats(0, 100), chance=chances)
def test_who_failed_for_five_days_is_off_and_probed_for_thirty(failures, days, off_days, chance):
    day = timedelta(days=1)
    assert plan_retry(failures, failing_for=day * days, random_fraction=chance).is_off
    then = plan_retry(failures, failing_for=day * days, off_for=day * off_days, random_fraction=chance)
    assert then.is_off
    if off_days >= 30:
        assert then.delay is None
    else:
        assert PROBE_INTERVAL * 0.8 <= then.delay <= PROBE_INTERVAL * 1.2


@given(st.lists(chances, min_size=400, max_size=400))
def test_an_endpoint_that_never_answers_is_given_up_in_the_end(luck):
    """The schedule lived through: on for five days, probed for thirty, then left alone."""
    now, off_at = timedelta(), None
    waits = []
    for failures, chance in enumerate(luck, start=1):
        off_for = None if off_at is None else now - off_at
        then = plan_retry(failures, failing_for=now, off_for=off_for, random_fraction=chance)
        off_at = off_at if off_at is not None or not then.is_off else now
        if then.delay is None:
            break
        waits.append(then.delay)
        now += then.delay
    else:
        pytest.fail("still tried")
    assert tuple(waits[:5]) == INITIAL_DELAYS
    assert OFF_AFTER <= off_at <= OFF_AFTER + HOUR * 1.2
    assert off_at + PROBE_PERIOD <= now <= off_at + PROBE_PERIOD + PROBE_INTERVAL * 1.2
