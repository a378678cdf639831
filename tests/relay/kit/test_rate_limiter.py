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
    assert raised.value.detail.startswith("Only 2 requests a minute are allowed here.")


def test_the_least_recently_used_caller_is_dropped():
    rate_limiter = RateLimiter(per_minute=1, max_callers=2, monotonic=FakeClock())
    for caller in ("a", "b", "c"):
        rate_limiter.check(caller)
    assert count_allowed(rate_limiter, "c", 1) == count_allowed(rate_limiter, "b", 1) == 0
    assert count_allowed(rate_limiter, "a", 1) == 1


@pytest.mark.parametrize(
    ("per_minute", "passed", "retry_after"),
    [(7, 0.0, "9"), (60, 0.0, "1"), (60, 0.999, "1"), (1, 0.0, "60"), (1, 59.5, "1"), (1, 0.5, "60"), (120, 0.0, "1")],
)
def test_retry_after_is_rounded_up_to_whole_seconds(per_minute, passed, retry_after):
    clock = FakeClock()
    rate_limiter = RateLimiter(per_minute=per_minute, monotonic=clock)
    assert count_allowed(rate_limiter, "a", per_minute) == per_minute
    clock.now = passed
    with pytest.raises(Problem) as raised:
        rate_limiter.check("a")
    assert raised.value.headers == {"Retry-After": retry_after}
    clock.now = passed + float(retry_after)
    rate_limiter.check("a")


def test_bucket_is_never_fuller_than_a_minutes_calls():
    clock = FakeClock()
    rate_limiter = RateLimiter(per_minute=4, monotonic=clock)
    assert count_allowed(rate_limiter, "a", 2) == 2
    clock.now = 10_000.0
    assert count_allowed(rate_limiter, "a", 10) == 4
    clock.now = 10_015.0  # exactly when the next call is possible
    assert count_allowed(rate_limiter, "a", 10) == 1


def test_refused_calls_do_not_prolong_the_wait():
    clock = FakeClock()
    rate_limiter = RateLimiter(per_minute=1, monotonic=clock)
    assert count_allowed(rate_limiter, "a", 1000) == 1
    clock.now = 60.0
    assert count_allowed(rate_limiter, "a", 1000) == 1


def test_default_is_60_calls_a_minute_for_each_of_10_000_callers():
    clock = FakeClock()
    rate_limiter = RateLimiter(monotonic=clock)
    assert count_allowed(rate_limiter, 0, 100) == 60
    clock.now = 1.0
    assert count_allowed(rate_limiter, 0, 100) == 1
    for caller in range(1, 10_000):
        rate_limiter.check(caller)
    assert count_allowed(rate_limiter, 0, 1) == 0
    rate_limiter.check("one more")  # drops caller 1, as caller 0 has called since
    assert count_allowed(rate_limiter, 0, 1) == 0
    assert count_allowed(rate_limiter, 1, 100) == 60


def test_asking_whether_a_call_is_available_counts_nothing():
    clock = FakeClock()
    rate_limiter = RateLimiter(per_minute=2, counted="attempts", monotonic=clock)
    for _ in range(5):
        rate_limiter.require_available("a")
    rate_limiter.check("a")
    rate_limiter.require_available("a")
    rate_limiter.check("a")
    with pytest.raises(Problem, match="Only 2 attempts a minute") as raised:
        rate_limiter.require_available("a")
    assert raised.value.headers == {"Retry-After": "30"}
    rate_limiter.require_available("b")
    clock.now = 30.0
    rate_limiter.require_available("a")
    clock.now = 1000.0
    rate_limiter.require_available("a")
    assert count_allowed(rate_limiter, "a", 3) == 2
