"""When to ask the relay, where it does not tell."""

from datetime import datetime, timedelta
from typing import Final

from homeassistant.util import dt as dt_util

from .client import Account, QuotaExhaustedError, TryAgainError

OUTAGE_POLL_INTERVAL: Final = timedelta(minutes=15)
"""While the stream is down that should be there."""
DEFAULT_POLL_INTERVAL: Final = timedelta(hours=1)
"""Without a stream, when the relay does not say when to ask."""
MIN_POLL_INTERVAL: Final = timedelta(minutes=1)
MAX_POLL_INTERVAL: Final = timedelta(hours=12)


def get_poll_interval(account: Account, planned_at: datetime | None = None) -> timedelta:
    """How long to wait before the relay is asked again, as it wishes, within reason.

    `planned_at`: when it was to be asked by an earlier plan, which a restart must not put off.
    """
    now = dt_util.utcnow()
    if account.next_poll_at is None:
        wanted_at = now + (OUTAGE_POLL_INTERVAL if account.push else DEFAULT_POLL_INTERVAL)
    else:
        wanted_at = account.next_poll_at
    return _within_reason(min(wanted_at, planned_at or wanted_at) - now)


def get_retry_interval(error: BaseException, planned: timedelta, failures: int) -> timedelta | None:
    """How long to wait where the relay told nothing, not even when to come back; None where `planned` stands.

    `failures` in a row so far. It is asked sooner than planned, and ever more seldom: an answer that was lost on its
    way has cost a call.
    """
    if isinstance(error, QuotaExhaustedError) or not isinstance(error, TryAgainError):
        return None
    return min(planned, OUTAGE_POLL_INTERVAL * float(2 ** min(failures, 8)))


def get_server_delay(error: BaseException | None) -> timedelta | None:
    """How long a relay wants to be left alone, within reason."""
    if not isinstance(error, TryAgainError) or error.retry_after is None:
        return None
    return _within_reason(error.retry_after)


def _within_reason(wait: timedelta) -> timedelta:
    return min(max(wait, MIN_POLL_INTERVAL), MAX_POLL_INTERVAL)
