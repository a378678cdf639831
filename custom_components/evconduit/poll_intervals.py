"""How long to wait between polls."""

from datetime import datetime, timedelta
from typing import Final

from homeassistant.util import dt as dt_util

from .client import Account, QuotaExhaustedError, TryAgainError

OUTAGE_POLL_INTERVAL: Final = timedelta(minutes=15)
"""While the stream is down although the plan includes it."""
DEFAULT_POLL_INTERVAL: Final = timedelta(hours=1)
"""Without push, when the relay doesn't say when to poll."""
MIN_POLL_INTERVAL: Final = timedelta(minutes=1)
MAX_POLL_INTERVAL: Final = timedelta(hours=12)


def get_poll_interval(
    account: Account, scheduled_at: datetime | None = None, *, now: datetime | None = None
) -> timedelta:
    """Return the time until the next poll: what the relay requests, within limits.

    `scheduled_at` is when a poll was due before a restart, which must not postpone it. All times are by the relay's
    clock; `now` defaults to the local one.
    """
    now = now or dt_util.utcnow()
    if account.next_poll_at is None:
        due_at = now + (OUTAGE_POLL_INTERVAL if account.push else DEFAULT_POLL_INTERVAL)
    else:
        due_at = account.next_poll_at
    return _clamp(min(due_at, scheduled_at or due_at) - now)


def get_retry_interval(error: BaseException, interval: timedelta, failures: int) -> timedelta | None:
    """Return the delay after a failed poll whose error has no `Retry-After`. None to keep `interval`.

    `failures` is the number of failed polls in a row. The retry comes sooner than the regular poll but backs off
    exponentially, because a response that got lost on its way did cost a call.
    """
    if isinstance(error, QuotaExhaustedError) or not isinstance(error, TryAgainError):
        return None
    return min(interval, OUTAGE_POLL_INTERVAL * float(2 ** min(failures, 8)))


def get_server_delay(error: BaseException | None) -> timedelta | None:
    """Return the `Retry-After` of an error, within limits. None if it has none."""
    if not isinstance(error, TryAgainError) or error.retry_after is None:
        return None
    return _clamp(error.retry_after)


def _clamp(delay: timedelta) -> timedelta:
    return min(max(delay, MIN_POLL_INTERVAL), MAX_POLL_INTERVAL)
