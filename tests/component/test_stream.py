import json
from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import timedelta

import pytest
from aiohttp import ClientTimeout
from homeassistant.core import HomeAssistant
from relay_double import HYUNDAI, TESLA, Problem, RelayDouble, make_record

from custom_components.evconduit.client import (
    Account,
    ForbiddenError,
    PlanRequiredError,
    ReceivedMessage,
    RelayClient,
    RelayConnectionError,
    RelayStream,
    Snapshot,
    StreamClosed,
    Transition,
    TryAgainError,
    UnauthorizedError,
    UnsupportedRelayError,
    VehicleRecord,
    VehicleRemoved,
)
from custom_components.evconduit.client import (
    client as client_module,
)
from custom_components.evconduit.client import (
    stream as stream_module,
)

type Events = AsyncGenerator[ReceivedMessage | StreamClosed]


@pytest.fixture
async def events(client: RelayClient) -> AsyncGenerator[Events]:
    async with aclosing(RelayStream(client).iter_events()) as events:
        yield events


async def wait_for_snapshot(events: Events) -> ReceivedMessage:
    """Skip failed attempts and return the snapshot that begins a connection."""
    async for event in events:
        if isinstance(event, ReceivedMessage):
            assert isinstance(event.message, Snapshot)
            return event
    raise AssertionError


async def test_messages_are_parsed_with_their_cursor(relay: RelayDouble, events: Events):
    first = await wait_for_snapshot(events)
    assert first.cursor == "e1.1"
    relay.send("vehicle", make_record(TESLA, 7))
    relay.write(b":\n\n")
    relay.send("vehicle_removed", {"id": HYUNDAI, "reason": "unlinked"})
    relay.send("transition", {"vehicle_id": TESLA, "type": "plugged_in", "occurred_at": None, "replayed": True})
    relay.send("account", relay.account)
    received = [await anext(events) for _ in range(4)]
    assert [type(event.message) for event in received] == [VehicleRecord, VehicleRemoved, Transition, Account]
    assert [event.cursor for event in received] == ["e1.2", "e1.3", "e1.4", "e1.5"]
    assert received[0].message.revision == 7
    assert received[2].message.replayed


async def test_broken_stream_is_resumed(relay: RelayDouble, events: Events):
    await wait_for_snapshot(events)
    relay.send("vehicle", make_record(TESLA, 2))
    await anext(events)
    relay.break_streams()
    closed = await anext(events)
    assert isinstance(closed, StreamClosed)
    assert isinstance(closed.error, RelayConnectionError)
    await wait_for_snapshot(events)
    requests = relay.get_requests("/stream")
    assert [request.headers.get("Last-Event-ID") for request in requests] == [None, "e1.2"]
    assert requests[0].headers["Accept-Encoding"] == "identity"


async def test_initial_cursor_is_sent(relay: RelayDouble, client: RelayClient):
    async with aclosing(RelayStream(client, "e0.99").iter_events()) as events:
        await wait_for_snapshot(events)
    assert relay.get_requests("/stream")[0].headers["Last-Event-ID"] == "e0.99"


async def test_message_without_id_keeps_the_cursor(relay: RelayDouble, client: RelayClient):
    relay.sent_at_connect = f"event: account\ndata: {json.dumps(relay.account)}\n\n".encode()
    async with aclosing(RelayStream(client, "e0.99").iter_events()) as events:
        received = await anext(events)
    assert isinstance(received, ReceivedMessage)
    assert isinstance(received.message, Account)
    assert received.cursor == "e0.99"


async def test_unknown_message_types_are_skipped(relay: RelayDouble, events: Events):
    await wait_for_snapshot(events)
    relay.send("weather", {"sun": True})
    relay.send("vehicle", make_record(TESLA, 2))
    received = await anext(events)
    assert isinstance(received.message, VehicleRecord)
    assert received.cursor == "e1.3"


@pytest.mark.parametrize(
    "bytes_",
    [
        b"event: vehicle\ndata: {not json}\n\n",
        b"event: vehicle\ndata: []\n\n",
        b'event: vehicle\ndata: {"id": "x"}\n\n',
        b"data: " + b"x" * 600_000,
    ],
    ids=["no JSON", "no object", "no revision", "no end"],
)
async def test_malformed_stream_is_closed_and_retried(relay: RelayDouble, events: Events, bytes_: bytes):
    await wait_for_snapshot(events)
    relay.write(bytes_)
    closed = await anext(events)
    assert isinstance(closed, StreamClosed)
    assert type(closed.error) is UnsupportedRelayError
    await wait_for_snapshot(events)


@pytest.mark.parametrize("problem", [Problem(200, body=b"{}"), Problem(404, "not-found"), Problem(404, is_relay=False)])
async def test_response_that_is_not_a_stream_is_retried(relay: RelayDouble, events: Events, problem: Problem):
    with relay.failing("stream", with_=problem):
        closed = await anext(events)
    assert isinstance(closed, StreamClosed)
    assert type(closed.error) is UnsupportedRelayError
    await wait_for_snapshot(events)


@pytest.mark.parametrize(
    ("problem", "error"),
    [
        (Problem(401, "unauthorized"), UnauthorizedError),
        (Problem(403, "forbidden"), ForbiddenError),
        (Problem(403, "plan-required"), PlanRequiredError),
    ],
)
async def test_permanent_errors_are_raised(relay: RelayDouble, events: Events, problem, error):
    with relay.failing("stream", with_=problem), pytest.raises(error):
        await anext(events)


async def test_bye_for_the_plan_raises_plan_required(relay: RelayDouble, events: Events):
    await wait_for_snapshot(events)
    relay.send("bye", {"reason": "plan", "retry_after": 3600}, cursor=False)
    with pytest.raises(PlanRequiredError):
        await anext(events)


async def test_revoked_key_raises_at_the_next_attempt(relay: RelayDouble, events: Events):
    await wait_for_snapshot(events)
    relay.keys.clear()
    relay.send("bye", {"reason": "revoked", "retry_after": 0}, cursor=False)
    assert isinstance(await anext(events), StreamClosed)
    with pytest.raises(UnauthorizedError):
        await anext(events)


async def test_retry_after_of_a_bye_is_respected(relay: RelayDouble, events: Events):
    await wait_for_snapshot(events)
    relay.send("bye", {"reason": "restart", "retry_after": 30}, cursor=False)
    closed = await anext(events)
    assert isinstance(closed, StreamClosed)
    assert isinstance(closed.error, TryAgainError)
    assert timedelta(seconds=30) <= closed.retry_in <= timedelta(seconds=36)


@pytest.mark.parametrize("retry_after", [1e300, -5, None, "soon"])
async def test_retry_after_of_a_bye_is_limited(relay: RelayDouble, events: Events, retry_after):
    await wait_for_snapshot(events)
    relay.send("bye", {"reason": "restart", "retry_after": retry_after}, cursor=False)
    closed = await anext(events)
    assert isinstance(closed, StreamClosed)
    assert timedelta(0) < closed.retry_in <= timedelta(hours=1.2)


async def test_retry_after_header_is_respected(relay: RelayDouble, events: Events):
    problem = Problem(429, "too-many-streams", headers={"Retry-After": "60"})
    with relay.failing("stream", with_=problem):
        closed = await anext(events)
    assert isinstance(closed, StreamClosed)
    assert closed.retry_in >= timedelta(seconds=60)


async def test_backoff_is_exponential_limited_and_jittered(
    relay: RelayDouble, events: Events, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(stream_module, "INITIAL_BACKOFF", timedelta(milliseconds=1))
    monkeypatch.setattr(stream_module, "MAX_BACKOFF", timedelta(milliseconds=16))
    with relay.failing("stream", with_=Problem(500, "internal")):
        waits = [(await anext(events)).retry_in / timedelta(milliseconds=1) for _ in range(7)]
    for wait, longest in zip(waits, [2, 4, 8, 16, 16, 16, 16], strict=True):
        assert longest / 2 <= wait <= longest
    assert len(set(waits)) == len(waits)


async def test_stable_connection_resets_the_backoff(
    relay: RelayDouble, events: Events, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(stream_module, "STABLE_AFTER", timedelta(0))
    for _ in range(5):
        await wait_for_snapshot(events)
        relay.break_streams()
        closed = await anext(events)
        assert closed.retry_in <= stream_module.INITIAL_BACKOFF


async def test_silent_stream_times_out(
    hass: HomeAssistant, relay: RelayDouble, events: Events, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(client_module, "STREAM_TIMEOUT", ClientTimeout(total=None, sock_read=0.05))
    await wait_for_snapshot(events)
    closed = await anext(events)
    assert isinstance(closed, StreamClosed)
    assert isinstance(closed.error, RelayConnectionError)


async def test_heartbeats_keep_the_stream_open(
    hass: HomeAssistant, relay: RelayDouble, events: Events, monkeypatch: pytest.MonkeyPatch
):
    """After several heartbeats the next event is a message, not the end of the stream."""
    monkeypatch.setattr(client_module, "STREAM_TIMEOUT", ClientTimeout(total=None, sock_read=0.5))
    await wait_for_snapshot(events)
    loop = hass.loop
    for tenth in range(8):
        loop.call_later(tenth / 10, relay.write, b":\n\n")
    loop.call_later(0.8, relay.send, "account", relay.account)
    received = await anext(events)
    assert isinstance(received.message, Account)
