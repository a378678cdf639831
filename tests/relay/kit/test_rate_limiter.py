"""The rate limiter, with a clock that the tests set."""

import pytest

from relay.kit.problems import Problem
from relay.kit.rate_limiter import RateLimiter


class FakeClock:
    now = 0.0

    def __call__(self):
        return self.now


def count_allowed(rate_limiter, caller, attempts):
    """How many of so many attempts are allowed."""
    count = 0
    for _ in range(attempts):
        try:
            rate_limiter.check(caller)
        except Problem:
            continue
        count += 1
    return count


def test_a_full_bucket_allows_a_burst_and_refills_evenly():
    clock = FakeClock()
    rate_limiter = RateLimiter(per_minute=60, monotonic=clock)
    assert count_allowed(rate_limiter, "a", 100) == 60
    assert count_allowed(rate_limiter, "b", 100) == 60
    clock.now = 3.0
    assert count_allowed(rate_limiter, "a", 100) == 3
    clock.now = 1000.0
    assert count_allowed(rate_limiter, "a", 100) == 60


def test_a_rejected_call_says_when_to_retry():
    rate_limiter = RateLimiter(per_minute=2, monotonic=FakeClock())
    rate_limiter.check("a")
    rate_limiter.check("a")
    with pytest.raises(Problem) as raised:
        rate_limiter.check("a")
    assert (raised.value.status, raised.value.slug) == (429, "too-many-requests")
    assert raised.value.headers == {"Retry-After": "30"}


def test_the_least_recently_used_caller_is_dropped():
    rate_limiter = RateLimiter(per_minute=1, max_callers=2, monotonic=FakeClock())
    for caller in ("a", "b", "c"):
        rate_limiter.check(caller)
    assert count_allowed(rate_limiter, "c", 1) == count_allowed(rate_limiter, "b", 1) == 0
    assert count_allowed(rate_limiter, "a", 1) == 1
