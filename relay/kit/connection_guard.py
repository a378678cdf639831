"""What the connections of one server share: pending requests, body bytes in flight, and the log of their limits."""

import logging
import math
import resource
import time
from collections import Counter
from collections.abc import Callable
from typing import Protocol

from relay.kit.client_network import get_client_network
from relay.kit.http_limits import (
    BODIES_TOO_LARGE,
    TOO_MANY_CONNECTIONS,
    UNREAD_REASON,
    HttpLimits,
    PendingRequest,
    Rejection,
    choose_rejections,
    find_large_pending_body,
)
from relay.kit.unread_responses import UnreadResponses, WritingConnection

log = logging.getLogger(__name__)

RESERVED_FILES = 256
"""Files that are not clients' connections: the database pool, deliveries, streams' wake-ups, logs."""
MAX_RESERVED_SHARE = 4
"""At most a fourth of the files is reserved."""


class TrustedProxies(Protocol):
    """The peers whose `X-Forwarded-For` names the client, as uvicorn's middleware holds them."""

    def __contains__(self, host: str | None) -> bool: ...

    def get_trusted_client_address(self, x_forwarded_for: str) -> tuple[str, int]:
        """Return the last address that isn't that of a trusted proxy, and its port."""


class IdleConnection(Protocol):
    """A connection that waits for its next request."""

    def close_idle(self) -> None:
        """Close it now."""


class ConnectionGuard:
    """The state of a server's connections. Call `enforce` about ten times a second.

    The connections of `proxies` aren't counted as those of one client.
    """

    def __init__(
        self,
        limits: HttpLimits | None = None,
        *,
        proxies: TrustedProxies | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.limits = limits or HttpLimits()
        self._proxies = proxies
        self.monotonic = monotonic
        self.connection_count = 0
        self.body_bytes = 0
        # In the order of `started_at`.
        self._pending: dict[PendingRequest, None] = {}
        # The connection that has waited the longest is first.
        self._idle: dict[IdleConnection, None] = {}
        self._unread = UnreadResponses(self.limits.unread_seconds)
        self._rejection_counts: Counter[str] = Counter()
        self._most_body_bytes = 0
        self._most_connections = 0
        self._most_pending = 0
        self._next_log_at = -math.inf

    def get_network(self, peer: str) -> str | None:
        """Return the network of a client that connects directly; None for a trusted proxy."""
        return None if self._proxies is not None and peer in self._proxies else get_client_network(peer)

    def get_forwarded_network(self, forwarded_for: str) -> str | None:
        """Return the network of the client that a trusted proxy names in `X-Forwarded-For`; None if it names none."""
        client = "" if self._proxies is None else self._proxies.get_trusted_client_address(forwarded_for)[0]
        return get_client_network(client) if client else None

    def open_connection(self) -> bool:
        """Count a new connection; False if there is no room for it.

        Makes room by closing the connection that has waited for its next request the longest, else by ending the
        oldest pending request, else by closing the connection whose client reads the slowest.
        """
        self.connection_count += 1
        self._most_connections = max(self._most_connections, self.connection_count)
        if self.connection_count <= self.limits.max_connections:
            return True
        if self._idle:
            idle = next(iter(self._idle))
            self.remove_idle(idle)
            idle.close_idle()
        elif self._pending:
            next(iter(self._pending)).reject(TOO_MANY_CONNECTIONS)
        else:
            self.record_rejection(TOO_MANY_CONNECTIONS)
            unread = self._unread.remove_oldest(self.monotonic() - self.limits.pending_grace_seconds)
            if unread is None:
                return False
            unread.close_unread()
        return True

    def close_connection(self, connection: IdleConnection) -> None:
        """Stop counting a connection."""
        self.connection_count -= 1
        self.remove_idle(connection)

    def add_idle(self, connection: IdleConnection) -> None:
        """Note that a connection waits for its next request."""
        self._idle[connection] = None

    def remove_idle(self, connection: IdleConnection) -> None:
        """Note that a connection doesn't wait, or has ended."""
        self._idle.pop(connection, None)

    def add_unread(self, connection: WritingConnection) -> None:
        """Note that a connection can't write, because its client doesn't read what was sent."""
        self._unread.add(connection, self.monotonic())

    def remove_unread(self, connection: WritingConnection) -> None:
        """Note that a connection can write, or has ended."""
        self._unread.remove(connection)

    def add_pending(self, request: PendingRequest) -> None:
        """Watch a request until `remove_pending`."""
        self._pending[request] = None
        self._most_pending = max(self._most_pending, len(self._pending))

    def remove_pending(self, request: PendingRequest) -> None:
        """Stop watching a request. Does nothing if it isn't watched."""
        self._pending.pop(request, None)

    def reserve_body_bytes(self, count: int) -> bool:
        """Count bytes of a body; False, without counting, if all bodies together would be too large.

        Makes room by rejecting the oldest pending requests with large bodies.
        """
        while self.body_bytes + count > self.limits.max_body_bytes_in_flight:
            request = find_large_pending_body(self._pending, self.limits)
            if request is None:
                return False
            self.remove_pending(request)
            request.reject(BODIES_TOO_LARGE)
        self.body_bytes += count
        self._most_body_bytes = max(self._most_body_bytes, self.body_bytes)
        return True

    def release_body_bytes(self, count: int) -> None:
        """Stop counting bytes of a body: its request has been answered or has ended."""
        self.body_bytes -= count

    def record_rejection(self, rejection: Rejection) -> None:
        """Count a rejection for the log."""
        self._rejection_counts[rejection.reason] += 1

    def enforce(self) -> None:
        """End requests and responses that take too long or are too many, and log limits that were reached."""
        now = self.monotonic()
        for request, rejection in choose_rejections(self._pending, self.limits, now):
            self.remove_pending(request)
            request.reject(rejection)
        for connection in self._unread.remove_stalled(now):
            self._rejection_counts[UNREAD_REASON] += 1
            connection.close_unread()
        if now >= self._next_log_at and self._log_limits():
            self._next_log_at = now + self.limits.log_interval_seconds

    def _log_limits(self) -> bool:
        """Log what was rejected, and which limits were nearly reached, since the last time; False if nothing was."""
        near = [
            (name, most, limit)
            for name, most, limit in (
                ("connections", self._most_connections, self.limits.max_connections),
                ("pending_requests", self._most_pending, self.limits.max_pending),
                ("body_bytes_in_flight", self._most_body_bytes, self.limits.max_body_bytes_in_flight),
            )
            if most >= limit * self.limits.warning_share
        ]
        for name, most, limit in near:
            log.warning("http limit near limit=%s most=%d max=%d", name, most, limit)
        for reason, count in self._rejection_counts.items():
            log.warning("http requests rejected limit=%s count=%d", reason, count)
        has_logged = bool(near or self._rejection_counts)
        self._rejection_counts.clear()
        self._most_connections, self._most_pending = self.connection_count, len(self._pending)
        self._most_body_bytes = self.body_bytes
        return has_logged


def raise_file_limit() -> int:
    """Raise the number of files that this process may open to the most that the system allows, and return it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == hard:
        return soft
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    except (ValueError, OSError) as error:  # macOS reports no limit, but has one
        log.warning("file limit not raised soft=%d error=%s", soft, error)
        return soft
    log.info("file limit raised from=%d to=%d", soft, hard)
    return hard


def get_max_connections(file_limit: int) -> float:
    """How many connections fit into the limit of open files; RLIM_INFINITY means no limit."""
    if file_limit == resource.RLIM_INFINITY:
        return math.inf
    return file_limit - min(RESERVED_FILES, file_limit // MAX_RESERVED_SHARE)
