"""Responses that clients don't read: which connections are closed, and when."""

import asyncio
from contextlib import suppress
from dataclasses import replace

import pytest

from relay.kit.unread_responses import UnreadResponses
from tests.relay.support.raw_connections import DEFAULTS, GET, LARGE, serve


class Connection:
    unsent_bytes = 100

    def get_unsent_bytes(self):
        return self.unsent_bytes


@pytest.fixture
def unread():
    return UnreadResponses(60)


def test_client_that_reads_nothing_is_removed_after_the_limit(unread):
    connection = Connection()
    unread.add(connection, 1000.0)
    assert unread.remove_stalled(1059.9) == []
    assert unread.remove_stalled(1060.0) == [connection]
    assert unread.remove_stalled(2000.0) == []


def test_client_that_reads_slowly_stays(unread):
    connection = Connection()
    unread.add(connection, 1000.0)
    for seconds in range(50, 1000, 50):
        connection.unsent_bytes -= 1
        assert unread.remove_stalled(1000.0 + seconds) == []
    assert unread.remove_stalled(2009.9) == []
    assert unread.remove_stalled(2010.0) == [connection]


def test_more_data_to_send_is_not_progress(unread):
    connection = Connection()
    unread.add(connection, 1000.0)
    connection.unsent_bytes = 200
    assert unread.remove_stalled(1030.0) == []
    assert unread.remove_stalled(1060.0) == [connection]


def test_connection_that_can_write_again_is_not_counted(unread):
    first, second = Connection(), Connection()
    unread.add(first, 1000.0)
    unread.add(second, 1001.0)
    unread.remove(first)
    unread.remove(first)
    assert unread.remove_oldest(1000.9) is None
    assert unread.remove_oldest(1001.0) is second
    assert unread.remove_oldest(5000.0) is None
    assert unread.remove_stalled(5000.0) == []


def test_oldest_makes_room_first(unread):
    first, second = Connection(), Connection()
    unread.add(first, 1000.0)
    unread.add(second, 1001.0)
    assert unread.remove_oldest(1500.0) is first
    assert unread.remove_oldest(1500.0) is second


GET_LARGE = b"GET /large HTTP/1.1\r\nHost: relay\r\n\r\n"


async def test_connection_of_a_client_that_does_not_read_its_response_is_closed():
    async with serve(replace(DEFAULTS, unread_seconds=0.3)) as connect:
        client = await connect()
        client.reader._limit = 1  # asyncio stops reading the socket
        await client.send(GET_LARGE)
        await asyncio.sleep(0.8)
        received = 0
        with suppress(ConnectionResetError):
            received = len(await client.read_all())
        assert received < LARGE


async def test_slow_reader_receives_all_of_its_response():
    async with serve(replace(DEFAULTS, unread_seconds=0.5)) as connect:
        client = await connect()
        await client.send(GET_LARGE)
        received = 0
        async with asyncio.timeout(20):
            while received < LARGE:
                received += len(await client.reader.read(2**20))
                await asyncio.sleep(0.06)
        assert received > LARGE


async def test_stream_outlives_the_limit_for_unread_responses():
    async with serve(replace(DEFAULTS, unread_seconds=0.1)) as connect:
        client = await connect()
        await client.send(b"GET /stream HTTP/1.1\r\nHost: relay\r\n\r\n")
        assert b"event" in await client.reader.readuntil(b"event")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.5):
                await client.reader.read()


async def test_slowest_readers_make_room_for_other_connections():
    limits = replace(DEFAULTS, max_connections=3, pending_grace_seconds=0.05)
    async with serve(limits) as connect:
        for _ in range(3):
            client = await connect()
            client.reader._limit = 1
            # The second response waits for the first, so the connection isn't idle.
            await client.send(GET_LARGE * 2)
        await asyncio.sleep(0.5)
        client = await connect()
        await client.send(GET)
        assert await client.read_response() == (200, b"received 0")
