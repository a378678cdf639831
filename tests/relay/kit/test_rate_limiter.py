import pytest

from relay.kit.problems import Problem
from relay.kit.rate_limiter import RateLimiter


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


def asked(bursts, caller, times):
    """How many of so many calls happened."""
    count = 0
    for _ in range(times):
        try:
            bursts.take(caller)
        except Problem:
            continue
        count += 1
    return count


def test_so_many_at_once_then_one_by_one():
    clock = Clock()
    bursts = RateLimiter(per_minute=60, monotonic=clock)
    assert asked(bursts, "a", 100) == 60
    assert asked(bursts, "b", 100) == 60
    clock.now = 3.0
    assert asked(bursts, "a", 100) == 3
    clock.now = 1000.0
    assert asked(bursts, "a", 100) == 60


def test_a_refusal_says_when_to_come_again():
    bursts = RateLimiter(per_minute=2, monotonic=Clock())
    bursts.check("a")
    bursts.check("a")
    with pytest.raises(Problem) as refused:
        bursts.check("a")
    assert (refused.value.status, refused.value.slug) == (429, "too-many-requests")
    assert refused.value.headers == {"Retry-After": "30"}


def test_who_has_been_silent_longest_is_forgotten():
    bursts = RateLimiter(per_minute=1, max_callers=2, monotonic=Clock())
    for caller in ("a", "b", "c"):
        bursts.check(caller)
    assert asked(bursts, "c", 1) == asked(bursts, "b", 1) == 0
    assert asked(bursts, "a", 1) == 1
