"""Times that another machine reports: by how much its clock may be ahead of ours before they are capped."""

from datetime import datetime, timedelta
from typing import LiteralString

MAX_CLOCK_SKEW = timedelta(minutes=2)
"""A reported time further ahead of its arrival counts as the time of arrival. Smaller differences between machines are
usual, and keep their order."""


def cap_reported_time(reported_at: datetime, received_at: datetime) -> datetime:
    """Return `reported_at`, or `received_at` if the report would be from the future."""
    return received_at if reported_at > received_at + MAX_CLOCK_SKEW else reported_at


def cap_reported_column(reported: LiteralString, received: LiteralString = "now()") -> LiteralString:
    """Return the SQL expression for `cap_reported_time` of two columns or expressions."""
    skew = f"interval '{int(MAX_CLOCK_SKEW.total_seconds()):d} seconds'"
    return f"case when {reported} > {received} + {skew} then {received} else {reported} end"
