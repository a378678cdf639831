"""The responses that clients don't read: how long each has waited, and which connections to close. No I/O."""

from dataclasses import dataclass
from typing import Protocol


class WritingConnection(Protocol):
    """A connection whose client reads more slowly than the server writes."""

    def get_unsent_bytes(self) -> int:
        """Return how many bytes wait to be sent."""

    def close_unread(self) -> None:
        """Close it now; what waits is lost."""


@dataclass(kw_only=True, slots=True)
class _Waiting:
    since: float
    progress_at: float
    unsent_bytes: int


class UnreadResponses:
    """The connections that can't write at the moment. A client that reads slowly keeps its connection."""

    def __init__(self, max_seconds: float) -> None:
        self._max_seconds = max_seconds
        # In the order of `since`.
        self._waiting: dict[WritingConnection, _Waiting] = {}

    def add(self, connection: WritingConnection, now: float) -> None:
        """Note that a connection can't write from now on."""
        self._waiting[connection] = _Waiting(since=now, progress_at=now, unsent_bytes=connection.get_unsent_bytes())

    def remove(self, connection: WritingConnection) -> None:
        """Note that a connection can write again, or has ended. Does nothing if it isn't known."""
        self._waiting.pop(connection, None)

    def remove_oldest(self, before: float) -> WritingConnection | None:
        """Remove and return the connection that has waited the longest, if it began before that time."""
        for connection, waiting in self._waiting.items():
            if waiting.since <= before:
                self.remove(connection)
                return connection
            break
        return None

    def remove_stalled(self, now: float) -> list[WritingConnection]:
        """Remove and return the connections whose clients have read nothing for too long."""
        stalled = []
        for connection, waiting in self._waiting.items():
            unsent_bytes = connection.get_unsent_bytes()
            if unsent_bytes < waiting.unsent_bytes:
                waiting.progress_at = now
            elif now - waiting.progress_at >= self._max_seconds:
                stalled.append(connection)
            waiting.unsent_bytes = unsent_bytes
        for connection in stalled:
            self.remove(connection)
        return stalled
