from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import timedelta

import pytest
from aiohttp import ClientTimeout
from homeassistant.core import HomeAssistant
from relay_double import HYUNDAI, TESLA, Problem, RelayDouble, record

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


async def opened(events: Events) -> ReceivedMessage:
    """Past failures, to the snapshot that begins a connection."""
    async for event in events:
        if isinstance(event, ReceivedMessage):
            assert isinstance(event.message, Snapshot)
            return event
    raise AssertionError


async def test_each_message_comes_typed_and_with_its_cursor(relay: RelayDouble, events: Events):
    first = await opened(events)
    assert first.cursor == "e1.1"
    relay.say("vehicle", record(TESLA, 7))
    relay.write(b":\n\n")
    relay.say("vehicle_removed", {"id": HYUNDAI, "reason": "unlinked"})
    relay.say("transition", {"vehicle_id": TESLA, "type": "plugged_in", "occurred_at": None, "replayed": True})
    relay.say("account", relay.account)
    told = [await anext(events) for _ in range(4)]
    assert [type(it.message) for it in told] == [VehicleRecord, VehicleRemoved, Transition, Account]
    assert [it.cursor for it in told] == ["e1.2", "e1.3", "e1.4", "e1.5"]
    assert told[0].message.revision == 7
    assert told[2].message.replayed


async def test_a_broken_stream_is_resumed_where_it_broke(relay: RelayDouble, events: Events):
    await opened(events)
    relay.say("vehicle", record(TESLA, 2))
    await anext(events)
    relay.break_streams()
    closed = await anext(events)
    assert isinstance(closed, StreamClosed)
    assert isinstance(closed.error, RelayConnectionError)
    await opened(events)
    asked = relay.asked("/stream")
    assert [it.headers.get("Last-Event-ID") for it in asked] == [None, "e1.2"]
    assert asked[0].headers["Accept-Encoding"] == "identity"


async def test_a_cursor_from_an_earlier_life_is_used(relay: RelayDouble, client: RelayClient):
    async with aclosing(RelayStream(client, "e0.99").iter_events()) as events:
        await opened(events)
    assert relay.asked("/stream")[0].headers["Last-Event-ID"] == "e0.99"


async def test_messages_from_the_future_are_passed_over(relay: RelayDouble, events: Events):
    await opened(events)
    relay.say("weather", {"sun": True})
    relay.say("vehicle", record(TESLA, 2))
    told = await anext(events)
    assert isinstance(told.message, VehicleRecord)
    assert told.cursor == "e1.3"


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
async def test_a_stream_that_we_do_not_understand_is_left_and_tried_again(
    relay: RelayDouble, events: Events, bytes_: bytes
):
    await opened(events)
    relay.write(bytes_)
    closed = await anext(events)
    assert isinstance(closed, StreamClosed)
    assert type(closed.error) is UnsupportedRelayError
    await opened(events)


async def test_a_page_is_no_stream(relay: RelayDouble, events: Events):
    with relay.failing("stream", with_=Problem(200, body=b"{}")):
        closed = await anext(events)
    assert isinstance(closed, StreamClosed)
    assert type(closed.error) is UnsupportedRelayError
    await opened(events)


@pytest.mark.parametrize(
    ("problem", "error"),
    [
        (Problem(401, "unauthorized"), UnauthorizedError),
        (Problem(403, "forbidden"), ForbiddenError),
        (Problem(403, "plan-required"), PlanRequiredError),
    ],
)
async def test_what_time_does_not_heal_ends_the_stream(relay: RelayDouble, events: Events, problem, error):
    with relay.failing("stream", with_=problem), pytest.raises(error):
        await anext(events)


async def test_the_plan_ran_out(relay: RelayDouble, events: Events):
    await opened(events)
    relay.say("bye", {"reason": "plan", "retry_after": 3600}, cursor=False)
    with pytest.raises(PlanRequiredError):
        await anext(events)


async def test_a_revoked_key_is_found_out_at_once(relay: RelayDouble, events: Events):
    await opened(events)
    relay.keys.clear()
    relay.say("bye", {"reason": "revoked", "retry_after": 0}, cursor=False)
    assert isinstance(await anext(events), StreamClosed)
    with pytest.raises(UnauthorizedError):
        await anext(events)


async def test_the_wait_that_the_relay_wishes_is_kept(relay: RelayDouble, events: Events):
    await opened(events)
    relay.say("bye", {"reason": "restart", "retry_after": 30}, cursor=False)
    closed = await anext(events)
    assert isinstance(closed, StreamClosed)
    assert isinstance(closed.error, TryAgainError)
    assert timedelta(seconds=30) <= closed.retry_in <= timedelta(seconds=36)


@pytest.mark.parametrize("wish", [1e300, -5, None, "soon"])
async def test_a_foolish_wish_is_not_kept(relay: RelayDouble, events: Events, wish):
    await opened(events)
    relay.say("bye", {"reason": "restart", "retry_after": wish}, cursor=False)
    closed = await anext(events)
    assert isinstance(closed, StreamClosed)
    assert timedelta(0) < closed.retry_in <= timedelta(hours=1.2)


async def test_too_many_streams_waits_as_told(relay: RelayDouble, events: Events):
    problem = Problem(429, "too-many-streams", headers={"Retry-After": "60"})
    with relay.failing("stream", with_=problem):
        closed = await anext(events)
    assert isinstance(closed, StreamClosed)
    assert closed.retry_in >= timedelta(seconds=60)


async def test_each_failure_waits_longer_up_to_a_limit_and_never_all_together(
    relay: RelayDouble, events: Events, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(stream_module, "INITIAL_BACKOFF", timedelta(milliseconds=1))
    monkeypatch.setattr(stream_module, "MAX_BACKOFF", timedelta(milliseconds=16))
    with relay.failing("stream", with_=Problem(500, "internal")):
        waits = [(await anext(events)).retry_in / timedelta(milliseconds=1) for _ in range(7)]
    for wait, longest in zip(waits, [2, 4, 8, 16, 16, 16, 16], strict=True):
        assert longest / 2 <= wait <= longest
    assert len(set(waits)) == len(waits)


async def test_a_connection_that_held_is_forgiven(relay: RelayDouble, events: Events, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(stream_module, "STABLE_AFTER", timedelta(0))
    for _ in range(5):
        await opened(events)
        relay.break_streams()
        closed = await anext(events)
        assert closed.retry_in <= stream_module.INITIAL_BACKOFF


async def test_a_silent_stream_is_given_up(
    hass: HomeAssistant, relay: RelayDouble, events: Events, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(client_module, "STREAM_TIMEOUT", ClientTimeout(total=None, sock_read=0.05))
    await opened(events)
    closed = await anext(events)
    assert isinstance(closed, StreamClosed)
    assert isinstance(closed.error, RelayConnectionError)


async def test_heartbeats_keep_a_stream_open(
    hass: HomeAssistant, relay: RelayDouble, events: Events, monkeypatch: pytest.MonkeyPatch
):
    """The next thing heard after several of them is a message, not an end."""
    monkeypatch.setattr(client_module, "STREAM_TIMEOUT", ClientTimeout(total=None, sock_read=0.5))
    await opened(events)
    loop = hass.loop
    for tenth in range(8):
        loop.call_later(tenth / 10, relay.write, b":\n\n")
    loop.call_later(0.8, relay.say, "account", relay.account)
    told = await anext(events)
    assert isinstance(told.message, Account)
