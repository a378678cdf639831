"""A limit on calls that cost nothing: so many a minute for each caller, in this process alone."""

import math
import time
from collections.abc import Callable, Hashable

from relay.kit.problems import Problem

MINUTE = 60.0


class RateLimiter:
    """A bucket of `a_minute` calls for each caller, filled again evenly. Forgets the longest silent beyond `most`."""

    def __init__(
        self, *, per_minute: int = 60, max_callers: int = 10_000, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._per_minute = per_minute
        self._max_callers = max_callers
        self._monotonic = monotonic
        # When each bucket is full again, the one that was used last at the end.
        self._full_at: dict[Hashable, float] = {}

    def check(self, caller: Hashable) -> None:
        """Let one call happen. Raises Problem 429."""
        now, each = self._monotonic(), MINUTE / self._per_minute
        full_at = max(self._full_at.pop(caller, now), now) + each
        wait = full_at - MINUTE - now
        self._full_at[caller] = full_at if wait <= 0 else full_at - each
        if len(self._full_at) > self._max_callers:
            del self._full_at[next(iter(self._full_at))]
        if wait > 0:
            raise Problem(
                429,
                "too-many-requests",
                f"This may be asked {self._per_minute} times a minute.",
                headers={"Retry-After": str(max(1, math.ceil(wait)))},
            )
