"""Timestamps in the format of the API, and the earliest time."""

from datetime import UTC, datetime

EARLIEST_TIME = datetime.min.replace(tzinfo=UTC)
"""Before any time that occurs."""


def format_timestamp(moment: datetime) -> str:
    """Format an aware datetime as RFC 3339 in UTC with `Z` and milliseconds, truncated: never later than the moment.

    Raises ValueError for a naive datetime.
    """
    if moment.tzinfo is None:
        raise ValueError("a timestamp needs a time zone")
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"
