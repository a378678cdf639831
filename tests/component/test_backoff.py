"""When the stream connects again: an exponential backoff with jitter, or later if the relay requests it."""

import asyncio
import json
from collections.abc import Iterator
from contextlib import aclosing, contextmanager
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from relay_double import Problem, RelayDouble

from custom_components.evconduit.client import ReceivedMessage, RelayClient, RelayStream, StreamClosed
from custom_components.evconduit.client import stream as stream_module

INITIAL_BACKOFF, MAX_BACKOFF = stream_module.INITIAL_BACKOFF, stream_module.MAX_BACKOFF  # before conftest shortens them
UNAVAILABLE = Problem(503, "unavailable")


class Clock:
    """Replaces the event loop's clock and sleep, as far as the stream uses them."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.sleeps: list[float] = []

    def time(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.sleeps.append(seconds)
        await asyncio.sleep(0)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    asyncio_ = SimpleNamespace(get_running_loop=lambda: clock, sleep=clock.sleep)
    monkeypatch.setattr(stream_module, "asyncio", asyncio_)
    monkeypatch.setattr(stream_module, "INITIAL_BACKOFF", INITIAL_BACKOFF)
    monkeypatch.setattr(stream_module, "MAX_BACKOFF", MAX_BACKOFF)
    return clock


@contextmanager
def jitter(monkeypatch: pytest.MonkeyPatch, share: float) -> Iterator[None]:
    """Make each random value lie at `share` of its range."""
    with monkeypatch.context() as patched:
        patched.setattr(stream_module, "random", SimpleNamespace(uniform=lambda low, high: low + share * (high - low)))
        yield


async def collect_delays(client: RelayClient, count: int) -> list[float]:
    """Return the delays, in seconds, after the first `count` failures."""
    async with aclosing(RelayStream(client).iter_events()) as events:
        closed = [await anext(events) for _ in range(count)]
    assert all(isinstance(event, StreamClosed) for event in closed)
    return [event.retry_in.total_seconds() for event in closed]


@pytest.mark.parametrize(
    ("share", "expected"),
    [
        (0, [1, 2, 4, 8, 16, 32, 60, 60, 60]),
        (1, [2, 4, 8, 16, 32, 64, 120, 120, 120]),
    ],
)
async def test_backoff_doubles_from_one_second_to_two_minutes(
    relay: RelayDouble,
    client: RelayClient,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
    *,
    share: float,
    expected: list[float],
):
    with relay.failing("stream", with_=UNAVAILABLE), jitter(monkeypatch, share):
        assert await collect_delays(client, len(expected)) == expected
    assert clock.sleeps == expected[:-1]


async def test_backoff_is_limited_after_any_number_of_failures(
    relay: RelayDouble, client: RelayClient, clock: Clock, monkeypatch: pytest.MonkeyPatch
):
    with relay.failing("stream", with_=UNAVAILABLE), jitter(monkeypatch, 1):
        async with aclosing((stream := RelayStream(client)).iter_events()) as events:
            stream._failures = 5000
            closed = await anext(events)
    assert closed.retry_in == timedelta(minutes=2)


@pytest.mark.parametrize(
    ("share", "retry_after", "expected"),
    [
        (0, "60", 60),
        (1, "60", 72),
        (0.5, "60", 66),
        (0, "3600", 3600),
        (1, "3600", 4320),
        (0, "40000", 3600),
        (1, "40000", 4320),
        (0, "0", 1),
        (1, "1", 2),
        (0, "1", 1),
    ],
)
async def test_requested_delay_is_spread_and_limited_to_an_hour(
    relay: RelayDouble,
    client: RelayClient,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
    *,
    share: float,
    retry_after: str,
    expected: float,
):
    problem = Problem(503, "unavailable", headers={"Retry-After": retry_after})
    with relay.failing("stream", with_=problem), jitter(monkeypatch, share):
        assert await collect_delays(client, 1) == [expected]


@pytest.mark.parametrize(
    ("retry_after", "expected"), [(0, 1), (-5, 1), (30, 30), (1800.5, 1800.5), (90_000, 3600), (1e300, 3600)]
)
async def test_delay_of_a_bye_is_limited(
    relay: RelayDouble,
    client: RelayClient,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
    *,
    retry_after: float,
    expected: float,
):
    relay.sent_at_connect = f"event: bye\ndata: {json.dumps({'retry_after': retry_after})}\n\n".encode()
    with jitter(monkeypatch, 0):
        assert await collect_delays(client, 1) == [expected]


@pytest.mark.parametrize(("lasts", "expected"), [(29, 4), (30, 4), (31, 0.5)])
async def test_connection_of_more_than_30_seconds_resets_the_backoff(
    relay: RelayDouble,
    client: RelayClient,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
    *,
    lasts: int,
    expected: float,
):
    def end_stream(event: Any) -> None:
        assert isinstance(event, ReceivedMessage)
        clock.now += lasts
        relay.break_streams()

    with jitter(monkeypatch, 0):
        async with aclosing(RelayStream(client).iter_events()) as events:
            with relay.failing("stream", with_=UNAVAILABLE):
                assert [(await anext(events)).retry_in.total_seconds() for _ in range(2)] == [1, 2]
            end_stream(await anext(events))
            assert (await anext(events)).retry_in.total_seconds() == expected
