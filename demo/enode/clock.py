"""Two kinds of time: simulated seconds, which rule physics and Enode's delays, and real UTC, which is what is sent."""

import asyncio
from datetime import UTC, datetime, timedelta

ONE_MILLISECOND = timedelta(milliseconds=1)


def format_timestamp(moment: datetime) -> str:
    """RFC 3339 in UTC with milliseconds and `Z`, as Enode writes it."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Clock:
    """Simulated seconds since the world began, passing `speed` times as fast as real ones."""

    def __init__(self, *, speed: float, seconds: float = 0.0) -> None:
        self.seconds = seconds
        self.speed = speed
        self._last_event = datetime.min.replace(tzinfo=UTC)
        self._tick = asyncio.Event()

    def now(self) -> str:
        """Real UTC."""
        return format_timestamp(datetime.now(UTC))

    def next_timestamp(self) -> str:
        """Real UTC, but each call a later millisecond: no two events or records are born at the same time."""
        now = datetime.now(UTC)
        now -= timedelta(microseconds=now.microsecond % 1000)
        self._last_event = max(now, self._last_event + ONE_MILLISECOND)
        return format_timestamp(self._last_event)

    def advance(self, seconds: float) -> None:
        """Let simulated seconds pass; whoever waits for them wakes."""
        self.seconds += seconds
        self._tick.set()
        self._tick = asyncio.Event()

    async def wait_until(self, seconds: float, *, or_event: asyncio.Event) -> None:
        """Wait until simulated time reaches `seconds`, or until `or_event` is set; both are looked at on each tick."""
        while self.seconds < seconds and not or_event.is_set():
            await self._tick.wait()
