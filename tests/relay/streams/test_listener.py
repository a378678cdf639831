"""The queue of one stream. Sequence numbers are numbers: 10 comes after 9."""

import asyncio
from uuid import UUID

import pytest

from relay.feed.cursor import Cursor
from relay.feed.messages import AccountMessage, ByeMessage, FeedChanges, VehicleRemovedMessage
from relay.streams.hub import Hub
from relay.streams.listener import StreamListener
from relay.streams.sse import render_changes
from tests.relay.support.feed import parse_events

USER, CREDENTIAL = UUID(int=1), UUID(int=2)


def at(seq, epoch="e"):
    return Cursor(epoch=epoch, seq=seq)


def create_listener(max_backlog_bytes=10_000, on_start=lambda _: None):
    return StreamListener(USER, CREDENTIAL, max_backlog_bytes, on_start)


def render(*seqs):
    messages = [VehicleRemovedMessage(seq=seq, vehicle_id=UUID(int=seq), reason=None) for seq in seqs]
    return render_changes(FeedChanges(end_cursor=at(seqs[-1]), messages=messages))


async def receive_ids(listener):
    return [event.id for event in parse_events(await listener.receive())]


@pytest.mark.parametrize(
    ("cursor", "pushed", "received"),
    [
        (8, (9, 10, 11), ["e.9", "e.10", "e.11"]),
        (9, (9, 10, 11), ["e.10", "e.11"]),
        (10, (9, 10, 11), ["e.11"]),
        (99, (98, 99, 100), ["e.100"]),
    ],
)
async def test_only_newer_events_are_queued(cursor, pushed, received):
    listener = create_listener()
    listener.start(at(cursor))
    listener.push(at(pushed[-1]), render(*pushed))
    assert await receive_ids(listener) == received
    assert listener.cursor == listener.consumed_cursor == at(pushed[-1])


@pytest.mark.parametrize(
    ("end", "is_ended"),
    [(at(9), True), (at(10), False), (at(11), False), (at(100), False), (at(11, "f"), True), (at(9, "f"), True)],
)
async def test_feed_of_another_epoch_or_behind_the_cursor_ends_the_stream(end, is_ended):
    listener = create_listener()
    listener.start(at(10))
    listener.push(end, [])
    listener.send_message(AccountMessage(record={}))
    if is_ended:
        assert await listener.receive() == b""
        assert listener.cursor == at(10)
    else:
        assert await receive_ids(listener) == [str(end)]


async def test_backlog_may_be_exactly_as_long_as_allowed():
    events = render(1, 2)
    size = sum(len(event) for _, event in events)
    for limit, expected in ((size, 2), (size - 1, 0)):
        listener = create_listener(limit)
        listener.start(at(0), [b"x" * 1000])  # what is sent at the start doesn't count
        listener.push(at(2), events)
        chunk = await listener.receive()
        assert chunk.count(b"event:") == expected
        if expected:
            assert chunk.startswith(b"x" * 1000)
            # What was received no longer counts.
            listener.push(at(4), render(3, 4))
            assert await receive_ids(listener) == ["e.3", "e.4"]
        else:
            listener.push(at(3), render(3))  # the stream has ended: the client resumes with a snapshot
            assert (await listener.receive(), listener.cursor) == (b"", at(0))


async def test_nothing_is_queued_before_the_start_or_after_the_end():
    listener = create_listener()
    listener.push(at(2), render(1, 2))
    listener.send_message(AccountMessage(record={}))
    assert listener.cursor is None
    listener.start(at(0))
    listener.end(ByeMessage(reason="plan", retry_after=7))
    listener.end(ByeMessage(reason="restart", retry_after=8))
    listener.push(at(2), render(1, 2))
    listener.send_message(AccountMessage(record={}))
    [bye] = parse_events(await listener.receive())
    assert (bye.name, bye.id, bye.data) == ("bye", None, {"reason": "plan", "retry_after": 7})
    assert await listener.receive() == b""


async def test_reader_waits_until_there_is_something_to_read():
    listener = create_listener()
    listener.start(at(0))
    for seq in (1, 2):
        reading = asyncio.create_task(listener.receive())
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert not reading.done()
        listener.push(at(seq), render(seq))
        assert [event.id for event in parse_events(await reading)] == [f"e.{seq}"]
    reading = asyncio.create_task(listener.receive())
    await asyncio.sleep(0)
    listener.push(at(3), [])
    await asyncio.sleep(0)
    assert not reading.done()  # a cursor that moves without events is not sent
    listener.end()
    assert await reading == b""


async def test_start_is_reported_unless_the_stream_has_ended():
    started = []
    listener = create_listener(on_start=started.append)
    listener.start(at(3), [b"a", b"b"])
    assert started == [listener]
    assert listener.consumed_cursor is None
    assert await listener.receive() == b"ab"
    ended = create_listener(on_start=started.append)
    ended.end()
    ended.start(at(3), [b"a"])
    assert (started, ended.cursor, await ended.receive()) == ([listener], None, b"")


async def test_hub_reads_from_the_lowest_cursor_of_a_users_streams():
    """The numerically lowest: as text, 10 would be below 9."""
    positions = []

    async def read_changes(read):
        positions.append(dict(read))
        return {USER: FeedChanges(end_cursor=at(12), messages=[
            VehicleRemovedMessage(seq=seq, vehicle_id=UUID(int=seq), reason=None) for seq in (10, 11, 12)
        ])}  # fmt: skip

    hub = Hub(read_changes)
    with hub.open_listener(USER, CREDENTIAL) as nine, hub.open_listener(USER, CREDENTIAL) as ten:
        with hub.open_listener(USER, CREDENTIAL):  # not started
            nine.start(at(9))
            ten.start(at(10))
            await hub._deliver_pending()
            assert positions == [{USER: 9}]
            assert await receive_ids(nine) == ["e.10", "e.11", "e.12"]
            assert await receive_ids(ten) == ["e.11", "e.12"]
            assert hub.stream_count == 3
        hub.request_delivery(frozenset([UUID(int=99)]))
        await hub._deliver_pending()
        assert len(positions) == 1  # a user without streams is not read
        assert hub.has_stream(CREDENTIAL)
        assert hub.has_stream(CREDENTIAL, other_than=ten)
        assert not hub.has_stream(USER)
    assert not hub.has_stream(CREDENTIAL)
