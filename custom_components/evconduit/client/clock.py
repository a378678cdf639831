"""The relay's clock, which all planning uses: Home Assistant's own may be wrong."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Final

RESOLUTION: Final = timedelta(seconds=1)
"""The `Date` header has whole seconds."""


class RelayClock:
    """The relay's time, from the `Date` of its last response.

    The time since then comes from the monotonic clock, so that a change of the local clock has no effect. Without a
    `Date`, it is the local time.
    """

    def __init__(self) -> None:
        self.on_measure: Callable[[], None] | None = None
        """Called after each measurement."""
        self.difference: timedelta | None = None
        """How far the local clock is ahead of the relay's, as far as the last measurement proves it. None: unknown."""
        self._base: tuple[datetime, float] | None = None

    def now(self) -> datetime:
        """Return the relay's current time in UTC."""
        if self._base is None:
            return datetime.now(UTC)
        date, measured_at = self._base
        return date + timedelta(seconds=time.monotonic() - measured_at)

    def measure(self, date_header: str | None, *, requested_at: float) -> None:
        """Read the `Date` of a response. `requested_at` is the monotonic time of its request."""
        date = parse_date(date_header)
        if date is None:
            return
        self._base = date, time.monotonic()
        # The relay wrote the date at some time between request and response.
        tolerance = RESOLUTION + timedelta(seconds=time.monotonic() - requested_at)
        self.set_difference(datetime.now(UTC) - date, tolerance)

    def set_difference(self, difference: timedelta, tolerance: timedelta = RESOLUTION) -> None:
        """Set the difference of the clocks, which may be less by `tolerance`."""
        proven = max(abs(difference) - tolerance, timedelta(0))
        self.difference = proven if difference > timedelta(0) else -proven
        if self.on_measure is not None:
            self.on_measure()


def parse_date(header: str | None) -> datetime | None:
    """Parse an HTTP date. None if it is missing or unreadable."""
    try:
        date = parsedate_to_datetime(header or "")
        return date.replace(tzinfo=UTC) if date.tzinfo is None else date.astimezone(UTC)
    except ValueError, OverflowError:
        return None
