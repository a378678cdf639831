"""Limits of the HTTP server for requests that nobody has authenticated yet. No I/O; http_protocol.py applies them."""

import math
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

KIB, MIB = 1024, 1024 * 1024


@dataclass(frozen=True, kw_only=True, slots=True)
class HttpLimits:
    """Sizes, counts and seconds. A request is *pending* until its header and its body have arrived."""

    max_url_bytes: int = 8 * KIB
    """RFC 9110, section 4.1, recommends supporting at least 8000."""
    max_header_bytes: int = 32 * KIB
    """nginx accepts as much by default. Applies to header fields and to trailers, each."""
    max_header_count: int = 100
    """Apache's default; proxies and tunnels add up to 20."""
    max_pipelined_requests: int = 16
    """Requests of one connection that wait for the one before; none of our clients pipelines."""
    header_seconds: float = 20
    """From the connection, or the first byte of a later request, to the end of the header. Apache's default."""
    body_seconds: float = 30
    """From the end of the header to the end of the body, and longer by what has arrived at the minimum rate."""
    min_body_bytes_per_second: int = KIB
    """A mobile connection of the slowest kind (GPRS) sends four times as much."""
    max_body_seconds: float = 300
    max_connections: float = math.inf
    """As many as there can be open files, less a reserve: see get_max_connections."""
    max_pending_per_network: int = 128
    max_pending: int = 1024
    pending_grace_seconds: float = 2
    """Younger pending requests stay: after a restart, thousands of clients connect at the same moment."""
    max_body_bytes_in_flight: int = 32 * MIB
    """Of all requests together: eight deliveries of Enode of the largest size."""
    small_body_bytes: int = 64 * KIB
    """A pending body of at most this size is never dropped to make room; only Enode's deliveries may be larger."""
    unread_seconds: float = 60
    """How long a client may read nothing of a response that waits for it. nginx's default (send_timeout)."""
    linger_seconds: float = 2
    """How long to receive and discard after a rejection: closing at once would destroy the response (RFC 9112, 9.6)."""
    warning_share: float = 0.8
    """The share of a limit that is logged as near."""
    log_interval_seconds: float = 60


@dataclass(frozen=True, kw_only=True, slots=True)
class Rejection:
    """Why the server rejects a request: the response, and the reason for the log."""

    status: int
    slug: str
    reason: str
    detail: str


INVALID_REQUEST = Rejection(
    status=400,
    slug="invalid-request",
    reason="invalid",
    detail="The request isn't valid HTTP/1.1. Check the program that sent it.",
)
URL_TOO_LONG = Rejection(status=414, slug="too-large", reason="url", detail="The URL is too long. Send a shorter one.")
HEADER_TOO_LARGE = Rejection(
    status=431, slug="too-large", reason="header_bytes", detail="The header fields are too large. Send smaller ones."
)
TOO_MANY_HEADERS = Rejection(
    status=431, slug="too-large", reason="header_count", detail="There are too many header fields. Send fewer."
)
HEADER_TIMEOUT = Rejection(
    status=408, slug="timeout", reason="header_time", detail="The header didn't arrive in time. Send the request again."
)
BODY_TIMEOUT = Rejection(
    status=408, slug="timeout", reason="body_time", detail="The body didn't arrive in time. Send the request again."
)
TOO_MANY_PENDING = Rejection(
    status=408,
    slug="timeout",
    reason="pending_requests",
    detail="Too many other requests are incomplete. Send the request again, in one piece.",
)
BODIES_TOO_LARGE = Rejection(
    status=503,
    slug="unavailable",
    reason="body_bytes_in_flight",
    detail="The relay is receiving too much data. Send the request again later.",
)
TOO_MANY_CONNECTIONS = Rejection(
    status=503,
    slug="unavailable",
    reason="connections",
    detail="The relay has too many open connections. Send the request again later.",
)
UNREAD_REASON = "response_time"
"""In the log: the client hasn't read a response, so there's nothing else to answer."""


@dataclass(eq=False, kw_only=True, slots=True)
class PendingRequest:
    """A request whose header (`stage`) or body has not arrived completely.

    `network` is that of the client; None if it is unknown, because a trusted proxy has yet to name it.
    """

    stage: Literal["header", "body"]
    network: str | None
    started_at: float
    received_bytes: int
    reject: Callable[[Rejection], None]


def get_deadline(request: PendingRequest, limits: HttpLimits) -> float:
    """Return when the header or the body must be complete."""
    if request.stage == "header":
        return request.started_at + limits.header_seconds
    seconds = limits.body_seconds + request.received_bytes / limits.min_body_bytes_per_second
    return request.started_at + min(seconds, limits.max_body_seconds)


def choose_rejections(
    pending: Iterable[PendingRequest], limits: HttpLimits, now: float
) -> list[tuple[PendingRequest, Rejection]]:
    """Choose the requests to reject: those that took too long, then the oldest above a limit.

    `pending` is in the order of `started_at`.
    """
    chosen: list[tuple[PendingRequest, Rejection]] = []
    remaining = []
    for request in pending:
        if get_deadline(request, limits) <= now:
            chosen.append((request, HEADER_TIMEOUT if request.stage == "header" else BODY_TIMEOUT))
        else:
            remaining.append(request)
    excess = len(remaining) - limits.max_pending
    by_network = Counter(request.network for request in remaining if request.network is not None)
    for request in remaining:
        is_excess_of_network = request.network is not None and by_network[request.network] > (
            limits.max_pending_per_network
        )
        if request.started_at + limits.pending_grace_seconds > now or not (excess > 0 or is_excess_of_network):
            continue
        chosen.append((request, TOO_MANY_PENDING))
        excess -= 1
        if request.network is not None:
            by_network[request.network] -= 1
    return chosen


def find_large_pending_body(pending: Iterable[PendingRequest], limits: HttpLimits) -> PendingRequest | None:
    """Return the oldest pending request whose body is not small: the one to reject to make room for others."""
    return next(
        (
            request
            for request in pending
            if request.stage == "body" and request.received_bytes > limits.small_body_bytes
        ),
        None,
    )
