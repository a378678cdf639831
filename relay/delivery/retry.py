"""When to retry an endpoint that failed: within minutes at first, then hourly, then rarely, in the end not at all."""

from dataclasses import dataclass
from datetime import timedelta

INITIAL_DELAYS = tuple(timedelta(seconds=seconds) for seconds in (5, 30, 120, 600, 1800))
HOURLY_DELAY = timedelta(hours=1)
OFF_AFTER = timedelta(days=5)
PROBE_INTERVAL = timedelta(hours=6)
PROBE_PERIOD = timedelta(days=30)
JITTER = 0.2
"""Hourly and longer delays vary by this fraction, so that endpoints that failed together aren't retried together."""

# For stored times: the longest delay that plan_retry returns for an endpoint with this many failures.
MAX_HOURLY_DELAY = HOURLY_DELAY * (1 + JITTER)
MAX_PROBE_INTERVAL = PROBE_INTERVAL * (1 + JITTER)


@dataclass(frozen=True, kw_only=True, slots=True)
class RetryPlan:
    """What follows a failure. `delay` None: no further attempt until the endpoint is registered again."""

    is_off: bool
    delay: timedelta | None


def plan_retry(
    failures: int, *, failing_for: timedelta, off_for: timedelta | None = None, random_fraction: float = 0.5
) -> RetryPlan:
    """Plan what follows the `failures`-th failure in a row.

    `off_for`: how long the endpoint has been off; None while it is on. `random_fraction`, in [0, 1), sets the jitter.
    """
    jitter = 1 - JITTER + 2 * JITTER * random_fraction
    if off_for is not None and off_for >= PROBE_PERIOD:
        return RetryPlan(is_off=True, delay=None)
    if off_for is not None or failing_for >= OFF_AFTER:
        return RetryPlan(is_off=True, delay=PROBE_INTERVAL * jitter)
    return RetryPlan(
        is_off=False, delay=INITIAL_DELAYS[failures - 1] if failures <= len(INITIAL_DELAYS) else HOURLY_DELAY * jitter
    )
