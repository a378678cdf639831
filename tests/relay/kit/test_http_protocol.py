"""The HTTP server over raw sockets: what it rejects, when, and what it must not disturb."""

import asyncio
import json
import re
from dataclasses import replace

import pytest

from tests.relay.support.raw_connections import DEFAULTS, GET, serve

QUICK = replace(DEFAULTS, header_seconds=0.3, body_seconds=0.3, min_body_bytes_per_second=2_000, linger_seconds=0.2)
POST = b"POST / HTTP/1.1\r\nHost: relay\r\n"
OTHER_NETWORK = "127.0.0.2"  # the proxy that is trusted by default is 127.0.0.1


def parse_problem(response):
    """The status and the slug of a rejection, which must be complete and the last response."""
    head, _, body = response.partition(b"\r\n\r\n")
    assert b"\r\nconnection: close" in head
    assert f"\r\ncontent-length: {len(body)}".encode() in head
    problem = json.loads(body)
    assert head.split()[1] == str(problem["status"]).encode()
    return problem["status"], problem["type"].rpartition(":")[2]


async def request(connect, *parts, **options):
    """Send the parts over a new connection and return everything that comes back."""
    client = await connect()
    sending = asyncio.create_task(client.send(*parts, **options))
    response = await client.read_all()
    sending.cancel()
    return response


KIB = 1024
TOO_LARGE = [
    ("one header field", 431, [b"GET / HTTP/1.1\r\nX: ", *[b"x" * 64 * KIB] * 60]),
    ("one field name", 431, [b"GET / HTTP/1.1\r\n", *[b"x" * 64 * KIB] * 60]),
    ("many header fields", 431, [b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 101 + b"\r\n"]),
    ("many header fields in small pieces", 431, [b"GET / HTTP/1.1\r\n", *[b"X: y\r\n"] * 101, b"\r\n"]),
    ("fields that are large together", 431, [b"GET / HTTP/1.1\r\n" + b"X: %s\r\n" % (b"y" * KIB) * 33 + b"\r\n"]),
    ("the URL", 414, [b"GET /", b"x" * 8 * KIB, b" HTTP/1.1\r\n\r\n"]),
    ("a URL without end", 414, [b"GET /", *[b"x" * 64 * KIB] * 60]),
    ("a query without end", 414, [b"GET /?", *[b"x" * 100] * 90]),
    ("a trailer", 431, [POST, b"Transfer-Encoding: chunked\r\n\r\n0\r\nX: ", *[b"x" * 64 * KIB] * 60]),
    ("many trailers", 431, [POST, b"Transfer-Encoding: chunked\r\n\r\n0\r\n", b"X: y\r\n" * 101, b"\r\n"]),
    ("a chunk's extension", 431, [POST, b"Transfer-Encoding: chunked\r\n\r\n5;", *[b"x" * 64 * KIB] * 60]),
]


@pytest.mark.parametrize(("status", "parts"), [row[1:] for row in TOO_LARGE], ids=[row[0] for row in TOO_LARGE])
async def test_request_with_a_too_large_header_or_url_is_rejected(status, parts):
    async with serve() as connect:
        assert parse_problem(await request(connect, *parts)) == (status, "too-large")


async def test_limits_apply_to_each_request_of_a_connection():
    fields = b"X: y\r\n" * 60
    async with serve() as connect:
        client = await connect()
        for _ in range(3):
            await client.send(GET.replace(b"\r\n\r\n", b"\r\n" + fields + b"\r\n"))
            assert await client.read_response() == (200, b"received 0")
        await client.send(GET.replace(b"\r\n\r\n", b"\r\n" + fields * 2 + b"\r\n"))
        assert parse_problem(await client.read_all()) == (431, "too-large")


async def test_request_at_the_limits_is_answered():
    url = b"/" + b"x" * (8 * KIB - 1)
    fields = b"".join(b"X-%d: %s\r\n" % (number, b"y" * 300) for number in range(100))
    async with serve() as connect:
        client = await connect()
        await client.send(b"GET " + url + b" HTTP/1.1\r\n" + fields + b"\r\n")
        assert (await client.read_response())[0] == 200


async def test_invalid_request_is_rejected_with_a_problem():
    async with serve() as connect:
        assert parse_problem(await request(connect, b"\x16\x03\x01\r\n\r\n")) == (400, "invalid-request")


async def test_trailers_are_not_added_to_the_header():
    chunked = POST + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-Forwarded-For: 1.2.3.4\r\n\r\n"
    async with serve() as connect:
        response = await request(connect, chunked.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n", 1))
    assert response.endswith(b"received 3")
    assert b"host=relay" in response
    assert b"1.2.3.4" not in response


INCOMPLETE = [
    ("no byte", None, []),
    ("empty lines", None, [b"\r\n"] * 8),
    ("a part of the header", 408, [b"GET / HTTP/1.1\r\nHost: relay\r\n"]),
    ("a header in tiny pieces", 408, [b"GET / HTTP/1.1\r\n", *[b"X: y\r\n"] * 40]),
    ("no body", 408, [POST, b"Content-Length: 5\r\n\r\n"]),
    ("a part of the body", 408, [POST, b"Content-Length: 5\r\n\r\nabcd"]),
    ("a body in tiny pieces", 408, [POST, b"Content-Length: 500\r\n\r\n", *[b"x"] * 100]),
    ("chunks without end", 408, [POST, b"Transfer-Encoding: chunked\r\n\r\n", *[b"1\r\nx\r\n"] * 100]),
    ("trailers in tiny pieces", 408, [POST, b"Transfer-Encoding: chunked\r\n\r\n0\r\n", *[b"X: y\r\n"] * 40]),
    ("no 100-continue", 408, [POST, b"Expect: 100-continue\r\nContent-Length: 5\r\n\r\n"]),
]


@pytest.mark.parametrize(("status", "parts"), [row[1:] for row in INCOMPLETE], ids=[row[0] for row in INCOMPLETE])
async def test_incomplete_request_ends_after_its_time(status, parts):
    async with serve(QUICK) as connect:
        response = await request(connect, *parts, pause=0.02)
    if status is None:
        assert response == b""
    else:
        continued = response.removeprefix(b"HTTP/1.1 100 Continue\r\n\r\n")
        assert parse_problem(continued) == (status, "timeout")


async def test_body_that_is_sent_after_the_response_ends_after_its_time_too():
    async with serve(QUICK) as connect:
        client = await connect()
        await client.send(b"POST /unread HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n")
        assert await client.read_response() == (200, b"received 0")
        sending = asyncio.create_task(client.send(*[b"1\r\nx\r\n"] * 100, pause=0.02))
        assert await client.is_closed_by_the_server()
        sending.cancel()


async def test_incomplete_second_request_ends_after_its_own_time():
    async with serve(replace(QUICK, header_seconds=1.2)) as connect:
        client = await connect()
        for _ in range(3):
            await client.send(b"GET / HTTP/1.1\r\n", pause=0.5)
            await client.send(b"Host: relay\r\n\r\n")
            assert await client.read_response() == (200, b"received 0")
        await client.send(b"GET /")
        assert parse_problem(await client.read_all()) == (408, "timeout")


async def test_client_that_sends_faster_than_the_minimum_rate_is_answered():
    """100 events over a bad connection take far longer than an idle client may wait."""
    async with serve(replace(QUICK, min_body_bytes_per_second=300)) as connect:
        event, count = b'{"event":"user:vehicle:updated"}', 100
        client = await connect()
        await client.send(
            POST + b"Content-Length: %d\r\n\r\n" % (len(event) * count), *[event * 4] * (count // 4), pause=0.03
        )
        assert await client.read_response() == (200, b"received 3200")


async def test_stream_stays_open_for_longer_than_any_time_limit():
    async with serve(replace(QUICK, header_seconds=0.1, body_seconds=0.1)) as connect:
        client = await connect()
        await client.send(b"GET /stream HTTP/1.1\r\nHost: relay\r\n\r\n")
        await client.reader.readuntil(b"event\r\n")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(client.reader.read(1), 0.8)


async def test_response_may_take_longer_than_any_time_limit():
    async with serve(replace(QUICK, header_seconds=0.1, body_seconds=0.1)) as connect:
        response = await request(connect, b"GET /slow HTTP/1.1\r\nConnection: close\r\n\r\n")
        assert b"received 0" in response


async def test_pipelined_requests_are_answered_in_turn_up_to_the_limit():
    def ask(number):
        return POST + b"Content-Length: %d\r\n\r\n" % number + b"x" * number

    async with serve() as connect:
        client = await connect()
        await client.send(b"".join(map(ask, range(5))))
        for number in range(5):
            assert await client.read_response() == (200, b"received %d" % number)

        response = await request(connect, b"".join(map(ask, range(1000))))
        answered = [int(number) for number in re.findall(rb"received (\d+)", response)]
        assert answered == list(range(len(answered)))
        assert 2 <= len(answered) <= DEFAULTS.max_pipelined_requests + 1
        assert response.count(b"connection: close") == 1


async def test_error_of_a_pipelined_request_does_not_answer_the_one_before():
    async with serve() as connect:
        slow = b"GET /slow HTTP/1.1\r\nHost: relay\r\n\r\n"
        response = await request(connect, slow + b"GET /" + b"x" * 9_000 + b" HTTP/1.1\r\n\r\n")
    assert response.startswith(b"HTTP/1.1 200")
    assert response.count(b"HTTP/1.1") == 1


async def test_empty_lines_do_not_keep_a_connection_open():
    async with serve(QUICK) as connect:
        client = await connect()
        await client.send(GET)
        assert await client.read_response() == (200, b"received 0")
        sending = asyncio.create_task(client.send(*[b"\r\n"] * 100, pause=0.02))
        assert await client.is_closed_by_the_server()
        sending.cancel()


async def test_request_for_an_upgrade_is_answered_and_does_not_disable_the_limits():
    async with serve(QUICK) as connect:
        for name in (b"h2c", b"websocket"):
            client = await connect()
            await client.send(GET.replace(b"\r\n\r\n", b"\r\nConnection: Upgrade\r\nUpgrade: %s\r\n\r\n" % name))
            assert await client.read_response() == (200, b"received 0")
            await client.send(b"GET / HTTP/1.1\r\nX:")
            assert parse_problem(await client.read_all()) == (408, "timeout")


PER_NETWORK = replace(DEFAULTS, max_pending_per_network=3, pending_grace_seconds=0.1, linger_seconds=0.1)


async def test_oldest_incomplete_requests_of_a_network_end_above_its_limit():
    async with serve(PER_NETWORK) as connect:
        clients = []
        for _ in range(6):
            clients.append(await connect(OTHER_NETWORK))
            await clients[-1].send(b"GET / HTTP/1.1\r\n")
        responses = await asyncio.gather(*[client.read_all() for client in clients[:3]])
        assert [parse_problem(response) for response in responses] == [(408, "timeout")] * 3
        for client in clients[3:]:
            await client.send(b"\r\n")
            assert await client.read_response() == (200, b"received 0")


async def test_connections_of_a_trusted_proxy_are_counted_by_the_client_that_it_names():
    def ask(client):
        return POST + b"X-Forwarded-For: %s\r\nContent-Length: 5\r\n\r\n" % client

    async with serve(PER_NETWORK) as connect:
        headless = [await connect() for _ in range(6)]
        for client in headless:
            await client.send(b"GET / HTTP/1.1\r\n")
        one_client = [await connect() for _ in range(4)]
        for number, client in enumerate(one_client):
            await client.send(ask(b"2001:db8::%d" % number))
        others = [await connect() for _ in range(4)]
        for number, client in enumerate(others):
            await client.send(ask(b"203.0.113.%d" % number))
        assert parse_problem(await one_client[0].read_all()) == (408, "timeout")
        for client in headless:
            await client.send(b"\r\n")
            assert await client.read_response() == (200, b"received 0")
        for client in one_client[1:] + others:
            await client.send(b"12345")
            assert await client.read_response() == (200, b"received 5")


async def test_oldest_incomplete_requests_end_above_the_limit_of_all_networks():
    async with serve(replace(PER_NETWORK, max_pending=4)) as connect:
        clients = [await connect(f"127.0.0.{number}") for number in range(2, 9)]
        for client in clients:
            await client.send(b"GET / HTTP/1.1\r\n")
        assert [parse_problem(await client.read_all())[0] for client in clients[:3]] == [408] * 3
        await clients[3].send(b"\r\n")
        assert await clients[3].read_response() == (200, b"received 0")


BODIES = replace(DEFAULTS, max_body_bytes_in_flight=300_000, small_body_bytes=10_000, linger_seconds=0.1)


def post_part(size, part):
    return POST + b"Content-Length: %d\r\n\r\n" % size + b"x" * part


async def test_oldest_large_body_is_rejected_if_all_bodies_would_be_too_large():
    async with serve(BODIES) as connect:
        small, old, new, last = [await connect() for _ in range(4)]
        for client, size in ((small, 9_000), (old, 140_000), (new, 140_000), (last, 140_000)):
            await client.send(post_part(size + 1, size))
            await asyncio.sleep(0.05)
        assert parse_problem(await old.read_all()) == (503, "unavailable")
        for client, size in ((small, 9_001), (new, 140_001), (last, 140_001)):
            await client.send(b"x")
            assert await client.read_response() == (200, b"received %d" % size)


async def test_body_is_rejected_if_only_small_and_complete_ones_are_left():
    async with serve(replace(BODIES, small_body_bytes=120_000)) as connect:
        clients = [await connect() for _ in range(4)]
        for client in clients[:3]:
            await client.send(post_part(100_000, 99_000))
        await asyncio.sleep(0.1)
        await clients[3].send(post_part(100_000, 99_000))
        assert parse_problem(await clients[3].read_all()) == (503, "unavailable")
        for client in clients[:3]:
            await client.send(b"x" * 1_000)
            assert await client.read_response() == (200, b"received 100000")


async def test_body_that_is_too_large_alone_is_rejected_and_no_longer_counts():
    async with serve(BODIES) as connect:
        for _ in range(3):
            response = await request(connect, POST + b"Content-Length: 900000\r\n\r\n", *[b"x" * 50_000] * 18)
            assert parse_problem(response) == (503, "unavailable")
        client = await connect()
        await client.send(post_part(290_000, 290_000))
        assert await client.read_response() == (200, b"received 290000")


@pytest.mark.parametrize("end", ["response", "abort"])
async def test_bodies_that_have_ended_no_longer_count(end):
    async with serve(BODIES) as connect:
        for _ in range(6):
            client = await connect()
            if end == "response":
                await client.send(post_part(200_000, 200_000))
                assert await client.read_response() == (200, b"received 200000")
            else:
                await client.send(post_part(200_001, 200_000))
                client.writer.transport.abort()
                await asyncio.sleep(0.05)


async def test_new_connection_takes_the_place_of_the_oldest_incomplete_request():
    async with serve(replace(DEFAULTS, max_connections=4)) as connect:
        clients = [await connect() for _ in range(6)]
        for client in clients:
            await client.send(b"GET / HTTP/1.1\r\n")
        for client in clients[:2]:
            assert await client.is_closed_by_the_server()
        for client in clients[2:]:
            await client.send(b"\r\n")
            assert await client.read_response() == (200, b"received 0")


async def test_connection_is_refused_if_all_others_are_in_use():
    async with serve(replace(DEFAULTS, max_connections=2)) as connect:
        streams = [await connect() for _ in range(2)]
        for stream in streams:
            await stream.send(b"GET /stream HTTP/1.1\r\n\r\n")
            await stream.reader.readuntil(b"event")
        assert await (await connect()).is_closed_by_the_server()
        streams[0].writer.transport.abort()
        await asyncio.sleep(0.1)
        client = await connect()
        await client.send(GET)
        assert await client.read_response() == (200, b"received 0")


async def test_new_connection_takes_the_place_of_one_that_waits_for_its_next_request():
    async with serve(replace(DEFAULTS, max_connections=2)) as connect:
        stream, idle = await connect(), await connect()
        await stream.send(b"GET /stream HTTP/1.1\r\n\r\n")
        await stream.reader.readuntil(b"event")
        await idle.send(GET)
        assert await idle.read_response() == (200, b"received 0")
        await asyncio.sleep(0.1)
        new = await connect()
        await new.send(GET)
        assert await new.read_response() == (200, b"received 0")
        assert await idle.is_closed_by_the_server()
