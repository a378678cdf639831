"""When to ask the relay, where it does not tell."""

from datetime import timedelta
from typing import Final

from homeassistant.util import dt as dt_util

from .client import Account, RelayError, TryAgainError

SAFETY_POLL: Final = timedelta(minutes=15)
"""While the stream is down that should be there."""
UNPLANNED_POLL: Final = timedelta(hours=1)
"""Without a stream, when the relay does not say when to ask."""
SHORTEST_POLL: Final = timedelta(minutes=1)
LONGEST_POLL: Final = timedelta(hours=12)


def poll_interval(account: Account) -> timedelta:
    """How long to wait before the relay is asked again, as it wishes, within reason."""
    if account.next_poll_at is None:
        return SAFETY_POLL if account.push else UNPLANNED_POLL
    return min(max(account.next_poll_at - dt_util.utcnow(), SHORTEST_POLL), LONGEST_POLL)


def wish_of(error: RelayError) -> float | None:
    """Seconds that a relay wants to be left alone, within reason."""
    if not isinstance(error, TryAgainError) or error.retry_after is None:
        return None
    return min(max(error.retry_after, SHORTEST_POLL), LONGEST_POLL).total_seconds()
