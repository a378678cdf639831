"""Times that another machine reports: by how much its clock may be ahead of ours before they are capped."""

from datetime import datetime, timedelta
from typing import LiteralString

MAX_CLOCK_SKEW = timedelta(minutes=2)
"""A reported time further ahead of its arrival counts as the time of arrival. Smaller differences between machines are
usual, and keep their order."""
MAX_DELIVERY_TIME = timedelta(minutes=10)
"""How long a report is usually under way. Enode retries for longer only while the relay doesn't answer."""


def cap_reported_time(reported_at: datetime, received_at: datetime) -> datetime:
    """Return `reported_at`, or `received_at` if the report would be from the future."""
    return received_at if reported_at > received_at + MAX_CLOCK_SKEW else reported_at


def correct_created_time(created_at: datetime, observed_at: datetime | None, received_at: datetime) -> datetime:
    """Return `created_at` of an event, or `observed_at` if the event can't have been created long before that.

    `observed_at` is the newest time in the event's data. If it is later than `created_at`, one of the two is wrong. If
    the event arrives late, but its data is only minutes old, `created_at` is the wrong one: otherwise the vehicle's
    clock would have to be ahead by exactly the time that the event was under way.
    """
    if observed_at is None or observed_at <= created_at + MAX_CLOCK_SKEW:
        return created_at
    is_late = received_at - created_at > MAX_DELIVERY_TIME
    is_fresh = received_at - MAX_DELIVERY_TIME <= observed_at <= received_at + MAX_CLOCK_SKEW
    return min(observed_at, received_at) if is_late and is_fresh else created_at


def cap_reported_column(reported: LiteralString, received: LiteralString = "now()") -> LiteralString:
    """Return the SQL expression for `cap_reported_time` of two columns or expressions."""
    skew = f"interval '{int(MAX_CLOCK_SKEW.total_seconds()):d} seconds'"
    return f"case when {reported} > {received} + {skew} then {received} else {reported} end"
