"""A rate limit for calls that aren't metered: a number per minute and caller, counted in this process only."""

import math
import time
from collections.abc import Callable, Hashable

from relay.kit.problems import Problem

MINUTE_SECONDS = 60.0


class RateLimiter:
    """A token bucket of `per_minute` calls for each caller, refilled evenly.

    Beyond `max_callers`, the caller whose last call is oldest is dropped. `counted` names in the error what is counted.
    """

    def __init__(
        self,
        *,
        per_minute: int = 60,
        max_callers: int = 10_000,
        counted: str = "requests",
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._per_minute = per_minute
        self._max_callers = max_callers
        self._counted = counted
        self._monotonic = monotonic
        # The time at which each bucket is full again; the most recently used bucket is last.
        self._full_at: dict[Hashable, float] = {}

    def check(self, caller: Hashable) -> None:
        """Count one call. Raises Problem 429, without counting it, if the caller's bucket is empty."""
        now = self._monotonic()
        full_at = max(self._full_at.pop(caller, now), now)
        wait_seconds = self._get_wait_seconds(full_at, now)
        self._full_at[caller] = full_at if wait_seconds > 0 else full_at + self._seconds_per_call
        if len(self._full_at) > self._max_callers:
            del self._full_at[next(iter(self._full_at))]
        if wait_seconds > 0:
            raise self._create_problem(wait_seconds)

    def require_available(self, caller: Hashable) -> None:
        """Raise Problem 429 if the caller's bucket is empty. Counts nothing."""
        now = self._monotonic()
        wait_seconds = self._get_wait_seconds(max(self._full_at.get(caller, now), now), now)
        if wait_seconds > 0:
            raise self._create_problem(wait_seconds)

    @property
    def _seconds_per_call(self) -> float:
        return MINUTE_SECONDS / self._per_minute

    def _get_wait_seconds(self, full_at: float, now: float) -> float:
        return full_at + self._seconds_per_call - MINUTE_SECONDS - now

    def _create_problem(self, wait_seconds: float) -> Problem:
        return Problem(
            429,
            "too-many-requests",
            f"Only {self._per_minute} {self._counted} a minute are allowed here. Wait for the time in Retry-After.",
            headers={"Retry-After": str(max(1, math.ceil(wait_seconds)))},
        )
