"""What the connections of a server share: places, bytes in flight, and the log."""

import logging
import math
import resource

import pytest

from relay.kit.connection_guard import ConnectionGuard, get_max_connections, raise_file_limit
from relay.kit.http_limits import HEADER_TIMEOUT, URL_TOO_LONG, HttpLimits, PendingRequest

CONNECTION = object()


@pytest.fixture
def clock():
    class Clock:
        now = 1000.0

        def __call__(self):
            return self.now

    return Clock()


def create_pending(rejected, name):
    """A pending request that adds its name to `rejected`."""
    return PendingRequest(
        stage="header", network=None, started_at=1000.0, received_bytes=0, reject=lambda _: rejected.append(name)
    )


def get_lines(caplog):
    lines = [record.getMessage() for record in caplog.records]
    caplog.clear()
    return lines


def test_rejections_are_logged_with_their_number_at_most_once_a_minute(caplog, clock):
    guard = ConnectionGuard(monotonic=clock)
    for _ in range(3):
        guard.record_rejection(URL_TOO_LONG)
    guard.enforce()
    assert get_lines(caplog) == ["http requests rejected limit=url count=3"]
    guard.record_rejection(URL_TOO_LONG)
    guard.record_rejection(HEADER_TIMEOUT)
    clock.now += 59
    guard.enforce()
    assert get_lines(caplog) == []
    clock.now += 1
    guard.enforce()
    assert get_lines(caplog) == [
        "http requests rejected limit=url count=1",
        "http requests rejected limit=header_time count=1",
    ]
    clock.now += 3600
    guard.enforce()
    assert get_lines(caplog) == []


def test_limits_that_are_nearly_reached_are_logged(caplog, clock):
    guard = ConnectionGuard(
        HttpLimits(max_body_bytes_in_flight=100, max_connections=10, max_pending=5), monotonic=clock
    )
    for _ in range(7):
        guard.open_connection()
    guard.reserve_body_bytes(79)
    guard.enforce()
    assert get_lines(caplog) == []
    guard.open_connection()
    guard.close_connection(CONNECTION)
    requests = [create_pending([], number) for number in range(4)]
    for request in requests:
        guard.add_pending(request)
    for request in requests:
        guard.remove_pending(request)
    guard.reserve_body_bytes(1)
    guard.release_body_bytes(80)
    guard.enforce()
    assert get_lines(caplog) == [
        "http limit near limit=connections most=8 max=10",
        "http limit near limit=pending_requests most=4 max=5",
        "http limit near limit=body_bytes_in_flight most=80 max=100",
    ]
    clock.now += 60
    guard.enforce()
    assert get_lines(caplog) == []


def test_bytes_of_bodies_are_counted_up_to_the_limit():
    guard = ConnectionGuard(HttpLimits(max_body_bytes_in_flight=100))
    assert guard.reserve_body_bytes(100)
    assert not guard.reserve_body_bytes(1)
    guard.release_body_bytes(100)
    assert guard.reserve_body_bytes(100)


def test_connection_closes_the_one_that_has_waited_the_longest():
    class Connection:
        def __init__(self, name):
            self.name = name

        def close_idle(self):
            closed.append(self.name)

    closed = []
    guard = ConnectionGuard(HttpLimits(max_connections=1))
    connections = [Connection(number) for number in range(5)]
    guard.open_connection()
    for connection in connections:
        guard.add_idle(connection)
    guard.remove_idle(connections[0])
    guard.add_idle(connections[0])
    guard.remove_idle(connections[2])
    guard.close_connection(connections[3])
    guard.connection_count += 1
    assert [guard.open_connection() for _ in range(4)] == [True, True, True, False]
    assert closed == [1, 4, 0]


def test_connection_ends_the_oldest_pending_request_above_the_limit():
    guard = ConnectionGuard(HttpLimits(max_connections=1))
    rejected = []
    for number in range(2):
        guard.add_pending(create_pending(rejected, number))
    assert guard.open_connection()
    assert rejected == []
    assert guard.open_connection()
    assert rejected == [0]


def test_file_limit_is_raised_to_the_hard_one_and_logged(caplog):
    caplog.set_level(logging.INFO)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(512, hard), hard))
    try:
        assert raise_file_limit() == hard
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (hard, hard)
        assert get_lines(caplog) == [f"file limit raised from=512 to={hard}"]
        assert raise_file_limit() == hard
        assert get_lines(caplog) == []
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_file_limit_that_the_system_does_not_raise_is_logged(caplog, monkeypatch):
    def refuse(*_):
        raise ValueError("current limit exceeds maximum limit")

    monkeypatch.setattr(resource, "getrlimit", lambda _: (256, resource.RLIM_INFINITY))
    monkeypatch.setattr(resource, "setrlimit", refuse)
    assert raise_file_limit() == 256
    assert get_lines(caplog) == ["file limit not raised soft=256 error=current limit exceeds maximum limit"]


@pytest.mark.parametrize(
    ("files", "connections"),
    [(256, 192), (1024, 768), (1028, 772), (20_000, 19_744), (resource.RLIM_INFINITY, math.inf)],
)
def test_some_files_are_reserved_for_other_uses_than_connections(files, connections):
    assert get_max_connections(files) == connections
