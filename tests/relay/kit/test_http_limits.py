"""Which incomplete requests the server rejects."""

from dataclasses import replace

import pytest

from relay.kit.http_limits import (
    BODY_TIMEOUT,
    HEADER_TIMEOUT,
    TOO_MANY_PENDING,
    HttpLimits,
    PendingRequest,
    choose_rejections,
    find_large_pending_body,
    get_deadline,
)
from relay.kit.problems import TITLES

LIMITS = HttpLimits(
    header_seconds=20,
    body_seconds=30,
    min_body_bytes_per_second=1000,
    max_body_seconds=100,
    max_pending_per_network=2,
    max_pending=4,
    pending_grace_seconds=2,
    small_body_bytes=10,
)
NOW = 1000.0


def pending(network, age, stage="header", received=0):
    return PendingRequest(
        stage=stage, network=network, started_at=NOW - age, received_bytes=received, reject=lambda _: None
    )


@pytest.mark.parametrize(
    ("stage", "received", "seconds"),
    [
        ("header", 0, 20),
        ("header", 30_000, 20),
        ("body", 0, 30),
        ("body", 1_000, 31),
        ("body", 69_000, 99),
        ("body", 4_000_000, 100),
    ],
)
def test_time_of_a_body_grows_with_what_has_arrived(stage, received, seconds):
    assert get_deadline(pending("a", 0, stage, received), LIMITS) == NOW + seconds


H, B, P = HEADER_TIMEOUT, BODY_TIMEOUT, TOO_MANY_PENDING
CHOICES = [
    ("nothing is pending", [], []),
    ("all are young", [("a", 1)] * 9, [None] * 9),
    ("a header is late", [("a", 20), ("a", 19.9)], [H, None]),
    ("a body is late", [("a", 30, "body"), ("a", 29, "body"), ("a", 30, "body", 1_000)], [B, None, None]),
    ("a network has too many", [("a", 5), ("b", 5), ("a", 4), ("a", 3)], [P, None, None, None]),
    ("a network has far too many", [("a", 5), ("a", 4), ("a", 3), ("a", 1)], [P, P, None, None]),
    ("those that are late don't count", [("a", 20), ("a", 4), ("a", 3)], [H, None, None]),
    ("young ones count but stay", [("a", 2), ("a", 1.9), ("a", 1), ("a", 0)], [P, None, None, None]),
    ("all networks together have too many", [("a", 5), ("b", 4), ("c", 3), ("d", 3), ("e", 3)], [P, *[None] * 4]),
    ("unknown clients don't count as one", [(None, 5), (None, 4), (None, 3), (None, 2)], [None] * 4),
    ("unknown clients count for all", [(None, 5), (None, 4), (None, 3), (None, 2), ("a", 2)], [P, *[None] * 4]),
    ("one rejection serves both limits", [("a", 5), ("a", 4), ("a", 3), ("b", 3), ("b", 3)], [P, *[None] * 4]),
]


@pytest.mark.parametrize(("rows", "expected"), [row[1:] for row in CHOICES], ids=[row[0] for row in CHOICES])
def test_late_requests_are_rejected_and_the_oldest_above_a_limit(rows, expected):
    requests = [pending(*row) for row in rows]
    chosen = dict(choose_rejections(requests, LIMITS, NOW))
    assert [chosen.get(request) for request in requests] == expected


def test_oldest_large_body_makes_room():
    rows = [("a", 9, "header", 99), ("a", 8, "body", 10), ("a", 7, "body", 11), ("a", 6, "body", 99)]
    requests = [pending(*row) for row in rows]
    assert find_large_pending_body(requests, LIMITS) is requests[2]
    assert find_large_pending_body(requests[:2], LIMITS) is None


def test_defaults_serve_every_client_that_the_relay_has():
    """A delivery of Enode has at most 4 MiB, and Home Assistant's requests have a few hundred bytes."""
    limits = HttpLimits()
    assert limits.max_body_bytes_in_flight >= 8 * 4 * 1024 * 1024
    assert limits.max_url_bytes >= 8000
    assert limits.small_body_bytes == 64 * 1024
    slow = pending("a", 0, "body", 64 * 1024)
    assert get_deadline(slow, limits) - NOW >= 64 * 1024 / 1000
    assert replace(limits, max_body_seconds=1e9).max_body_seconds > limits.max_body_seconds


@pytest.mark.parametrize("rejection", [HEADER_TIMEOUT, BODY_TIMEOUT, TOO_MANY_PENDING], ids=lambda row: row.reason)
def test_rejection_has_a_documented_type(rejection):
    assert rejection.slug in TITLES
