"""When to try an endpoint again that failed. Soon at first, then hourly, then hardly ever, in the end no more."""

from dataclasses import dataclass
from datetime import timedelta

FIRST_WAITS = tuple(timedelta(seconds=seconds) for seconds in (5, 30, 120, 600, 1800))
HOURLY = timedelta(hours=1)
OFF_AFTER = timedelta(days=5)
PROBE_EVERY = timedelta(hours=6)
PROBE_FOR = timedelta(days=30)
SPREAD = 0.2
"""Long waits vary by as much up and down: endpoints that failed together shall not come back together."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Next:
    """What follows a failure. `wait` None: nothing, until the endpoint is registered again."""

    off: bool
    wait: timedelta | None


def after_failure(
    failures: int, *, failing_for: timedelta, off_for: timedelta | None = None, chance: float = 0.5
) -> Next:
    """What follows the `failures`-th failure in a row. `off_for`: since when it is off; `chance` is in [0, 1)."""
    spread = 1 - SPREAD + 2 * SPREAD * chance
    if off_for is not None and off_for >= PROBE_FOR:
        return Next(off=True, wait=None)
    if off_for is not None or failing_for >= OFF_AFTER:
        return Next(off=True, wait=PROBE_EVERY * spread)
    return Next(off=False, wait=FIRST_WAITS[failures - 1] if failures <= len(FIRST_WAITS) else HOURLY * spread)
