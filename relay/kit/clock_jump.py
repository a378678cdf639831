"""Detect a clock that was set: the wall clock moved by another amount than the machine's uptime."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

MIN_JUMP = timedelta(seconds=10)
"""Smaller steps are normal: time servers correct them gradually, and no stored time depends on so little."""


def get_uptime() -> float:
    """Return seconds that no setting of the clock changes, including the time that the machine was suspended."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()


@dataclass(kw_only=True, slots=True)
class ClockJumpDetector:
    """Compares a clock with the machine's uptime. Returns each jump once."""

    uptime: Callable[[], float] = get_uptime
    _offset: float | None = None

    def measure(self, wall_seconds: float) -> timedelta | None:
        """Return by how much the clock, which shows `wall_seconds` now, has been set since the last call.

        None if it was not, or by less than MIN_JUMP. Positive: the clock was put forward.
        """
        offset = wall_seconds - self.uptime()
        previous, self._offset = self._offset, offset
        if previous is None or abs(offset - previous) < MIN_JUMP.total_seconds():
            return None
        return timedelta(seconds=offset - previous)
