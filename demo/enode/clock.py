"""The simulator's clock: simulated seconds for the physics and Enode's delays, real UTC for timestamps."""

import asyncio
from datetime import UTC, datetime, timedelta

ONE_MILLISECOND = timedelta(milliseconds=1)


def format_timestamp(moment: datetime) -> str:
    """Format a time as RFC 3339 in UTC with milliseconds and `Z`, as Enode does."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Clock:
    """Simulated seconds since the world was created; they pass `speed` times as fast as real ones."""

    def __init__(self, *, speed: float, seconds: float = 0.0) -> None:
        self.seconds = seconds
        self.speed = speed
        self._last_event = datetime.min.replace(tzinfo=UTC)
        self._tick = asyncio.Event()

    @property
    def time_factor(self) -> float:
        """How much faster than real time the cars live, for rates on the real clock; 1 while time is stopped."""
        return self.speed or 1.0

    def now(self) -> str:
        """Return the real UTC time."""
        return format_timestamp(datetime.now(UTC))

    def next_timestamp(self) -> str:
        """Return the real UTC time, at least 1 ms after the previous result, so that no two events have the same."""
        now = datetime.now(UTC)
        now -= timedelta(microseconds=now.microsecond % 1000)
        self._last_event = max(now, self._last_event + ONE_MILLISECOND)
        return format_timestamp(self._last_event)

    def advance(self, seconds: float) -> None:
        """Add simulated seconds and wake all waiters."""
        self.seconds += seconds
        self._tick.set()
        self._tick = asyncio.Event()

    async def wait_until(self, seconds: float, *, or_event: asyncio.Event) -> None:
        """Wait until simulated time reaches `seconds` or `or_event` is set. Both are checked on each tick."""
        while self.seconds < seconds and not or_event.is_set():
            await self._tick.wait()
