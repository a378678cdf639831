"""Track the cursor up to which a stream's client has certainly received the feed."""

from collections import deque
from datetime import timedelta

from relay.feed.cursor import Cursor

# Longer than TCP_USER_TIMEOUT_MS in relay/server.py: data sent this long ago has been received, or the connection is
# closed.
ASSUME_DELIVERED_AFTER = timedelta(seconds=60)


class DeliveredCursorTracker:
    """Keeps samples of a stream's cursor and returns the newest one that is at least `lag` old."""

    def __init__(self, lag: timedelta) -> None:
        self._lag = lag.total_seconds()
        self._samples: deque[tuple[float, Cursor]] = deque()

    def update(self, cursor: Cursor | None, now: float) -> Cursor | None:
        """Record that everything up to `cursor` is sent by `now` (seconds); returns the cursor that is `lag` old.

        None while no sample is old enough.
        """
        if cursor is not None:
            self._samples.append((now, cursor))
        while len(self._samples) > 1 and self._samples[1][0] <= now - self._lag:
            self._samples.popleft()
        return self._samples[0][1] if self._samples and self._samples[0][0] <= now - self._lag else None
