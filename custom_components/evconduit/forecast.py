"""How many calls of the account's month are left, and how many will be used if it goes on like this."""

from datetime import datetime, timedelta
from typing import Final

from .client import Allowance

MIN_ELAPSED: Final = timedelta(days=1)
"""A forecast from less than a day would be little more than chance."""


def get_calls_left(allowance: Allowance) -> int | None:
    """Return the remaining calls, including call tokens. None if the plan has no limit."""
    if allowance.limit is None or allowance.used is None:
        return None
    return max(allowance.limit - allowance.used, 0) + (allowance.call_tokens or 0)


def forecast_calls(allowance: Allowance, now: datetime) -> int | None:
    """Return how many calls will have been used at the end of the month, at the mean rate so far.

    None if that can't be told, for example on the first day of the month.
    """
    if allowance.used is None or allowance.resets_at is None:
        return None
    started_at = get_previous_reset(allowance.resets_at)
    elapsed = now - started_at
    if elapsed < MIN_ELAPSED or now >= allowance.resets_at:
        return None
    return round(allowance.used * ((allowance.resets_at - started_at) / elapsed))


def get_previous_reset(resets_at: datetime) -> datetime:
    """Return the same day of the month before. The relay's months begin on day 28 at the latest."""
    last_of_previous = resets_at.replace(day=1) - timedelta(days=1)
    return last_of_previous.replace(day=min(resets_at.day, last_of_previous.day))
