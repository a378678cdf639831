"""The stream as a Home Assistant meets it: a real server on loopback, a real client, a real database."""

import asyncio
import json
import socket
from contextlib import asynccontextmanager
from datetime import timedelta

import aiohttp
import pytest
import uvicorn
from fastapi import FastAPI

from relay.bus.waker import FEED_CHANNEL, Waker
from relay.kit import problems
from relay.kit.database import open_pool
from relay.kit.jobs import JobQueue
from relay.streams.hub import Hub, StreamRules
from relay.usecases.calls.runtime import Runtime
from relay.usecases.feed import stream_events
from relay.usecases.feed.reader import create_feed_reader
from tests.relay.support.feed import (
    add_transition,
    add_user,
    parse_event,
    put_vehicle,
    remove_vehicle,
    running,
    wait_until,
)
from tests.relay.support.plans import CLOUD

NEVER = timedelta(hours=1)
RULES = StreamRules(sweep_interval=NEVER, heartbeat_interval=NEVER, recheck_interval=NEVER)


class RelayProcess:
    """One process's worth of relay on a port of its own."""

    def __init__(self, pool, rules):
        self.waker = Waker(pool, FEED_CHANNEL)
        self.hub = Hub(create_feed_reader(pool), rules)
        self.waker.add_callback(self.hub.request_delivery)
        self.app = FastAPI()
        self.app.include_router(stream_events.router)
        problems.install_handlers(self.app)
        self.app.state.runtime = Runtime(
            pool=pool, hub=self.hub, feed_waker=self.waker, jobs=JobQueue(), enode=None, version="1.2.3", plans=CLOUD
        )
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.socket.getsockname()[1]}/api/ha/v2/stream"

    @asynccontextmanager
    async def serve(self):
        config = uvicorn.Config(self.app, lifespan="off", log_config=None, timeout_graceful_shutdown=5)
        server = uvicorn.Server(config)
        async with running(self.hub.run(), self.waker.run()):
            task = asyncio.create_task(server.serve(sockets=[self.socket]))
            try:
                yield self
            finally:
                self.hub.close()
                server.should_exit = True
                await task


@pytest.fixture
async def relay(pool):
    async with RelayProcess(pool, RULES).serve() as relay:
        yield relay


@pytest.fixture
async def http():
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=None)) as session:
        yield session


class StreamClient:
    """Reads server-sent events from an open answer, at most ten seconds for each."""

    def __init__(self, response):
        self.response = response
        self.comments = 0

    async def read_block(self):
        async with asyncio.timeout(10):
            return (await self.response.content.readuntil(b"\n\n")).decode()

    async def read_event(self):
        while (event := parse_event(await self.read_block())) is None:
            self.comments += 1
        return event

    async def read_rest(self):
        async with asyncio.timeout(10):
            return (await self.response.content.read()).decode()


@asynccontextmanager
async def open_stream(http, relay, person, last_event_id=None):
    headers = person.header | ({"Last-Event-ID": last_event_id} if last_event_id else {})
    async with http.get(relay.url, headers=headers) as response:
        assert response.status == 200, await response.text()
        yield StreamClient(response)


async def fetch_problem(http, relay, headers):
    async with http.get(relay.url, headers=headers) as response:
        body = await response.json()
        assert response.headers["Content-Type"] == "application/problem+json"
        return response.status, body["type"].removeprefix("urn:evconduit:problem:"), response.headers


async def test_a_snapshot_comes_first_then_every_change_as_it_is_committed(pool, relay, http):
    ada = await add_user(pool)
    car, _ = await put_vehicle(pool, ada.id, level=10)
    async with open_stream(http, relay, ada) as stream:
        snapshot = await stream.read_event()
        assert (snapshot.name, snapshot.seq) == ("snapshot", 1)
        assert set(snapshot.data) == {"at", "account", "vehicles"}
        assert snapshot.data["account"]["relay"]["version"] == "1.2.3"
        assert [it["vehicle"]["chargeState"]["batteryLevel"] for it in snapshot.data["vehicles"]] == [10]
        await add_transition(pool, ada.id, car, "plugged_in")
        await put_vehicle(pool, ada.id, car, level=11)
        relay.waker.wake([ada.id])
        transition, vehicle = await stream.read_event(), await stream.read_event()
        assert (transition.name, transition.seq, transition.data["type"]) == ("transition", 2, "plugged_in")
        assert transition.data["replayed"] is False
        assert (vehicle.name, vehicle.seq, vehicle.data["revision"]) == ("vehicle", 3, 3)
        await remove_vehicle(pool, ada.id, car)
        relay.waker.wake([ada.id])
        assert (await stream.read_event()).data == {"id": str(car), "reason": "unlinked"}


async def test_the_answer_is_neither_kept_nor_gathered_on_the_way(pool, relay, http):
    ada = await add_user(pool)
    async with open_stream(http, relay, ada) as stream:
        headers = stream.response.headers
    assert headers["Content-Type"].startswith("text/event-stream")
    assert "no-store" in headers["Cache-Control"]
    assert headers["X-Accel-Buffering"] == "no"
    assert "Content-Encoding" not in headers
    assert "Content-Length" not in headers


async def test_a_client_that_was_away_is_told_the_transitions_it_missed(pool, relay, http):
    ada = await add_user(pool)
    car, _ = await put_vehicle(pool, ada.id)
    async with open_stream(http, relay, ada) as stream:
        before = (await stream.read_event()).id
    for kind in ("plugged_in", "charging_started"):
        await add_transition(pool, ada.id, car, kind)
    await put_vehicle(pool, ada.id, car, level=60)
    async with open_stream(http, relay, ada, before) as stream:
        snapshot, first, second = [await stream.read_event() for _ in range(3)]
        assert "gap" not in snapshot.data
        # Only with the last of what it missed is the client as far as the snapshot.
        assert snapshot.id == before
        assert [(it.data["type"], it.data["replayed"], it.seq) for it in (first, second)] == [
            ("plugged_in", True, 2),
            ("charging_started", True, 3),
        ]
        await put_vehicle(pool, ada.id, car, level=61)
        relay.waker.wake([ada.id])
        assert (await stream.read_event()).seq == 5
    async with open_stream(http, relay, ada, first.id) as stream:
        assert [(await stream.read_event()).seq for _ in range(2)] == [2, 3]


@pytest.mark.parametrize("cursor", ["another.1", "not a cursor", "{epoch}.99"])
async def test_a_cursor_that_cannot_be_resumed_leaves_a_gap(pool, relay, http, cursor):
    ada = await add_user(pool)
    await put_vehicle(pool, ada.id)
    async with open_stream(http, relay, ada) as stream:
        current = (await stream.read_event()).id
    epoch = current.partition(".")[0]
    async with open_stream(http, relay, ada, cursor.format(epoch=epoch)) as stream:
        snapshot = await stream.read_event()
    assert snapshot.data["gap"] is True
    assert snapshot.id == current


async def test_a_snapshot_of_many_cars_comes_in_lines_a_client_can_read(pool, relay, http):
    ada = await add_user(pool)
    async with pool.connection() as connection:
        await connection.execute(
            """
            insert into vehicles (user_id, vendor, vehicle_cache, revision)
            select %s, 'KIA', jsonb_build_object('vendor', 'KIA', 'notes', (select array_agg(repeat('x', 100))
                   from generate_series(1, 100))), 0 from generate_series(1, 60)
            """,
            [ada.id],
        )
    async with open_stream(http, relay, ada) as stream:
        lines = []
        while (line := await stream.response.content.readline()).strip():
            lines.append(line)
    data = [line.removeprefix(b"data: ") for line in lines if line.startswith(b"data: ")]
    assert len(data) > 1
    assert max(map(len, lines)) <= 256 * 1024 + len(b"data: \n")
    assert len(json.loads(b"\n".join(data))["vehicles"]) == 60


async def test_nobody_is_let_in_without_a_key_that_may_read(pool, relay, http):
    assert (await fetch_problem(http, relay, {}))[:2] == (401, "unauthorized")
    assert (await fetch_problem(http, relay, {"Authorization": "Bearer evc_" + "x" * 43}))[:2] == (401, "unauthorized")
    blind = await add_user(pool, scopes=("control",))
    assert (await fetch_problem(http, relay, blind.header))[:2] == (403, "forbidden")
    free = await add_user(pool, plan="free")
    assert (await fetch_problem(http, relay, free.header))[:2] == (403, "plan-required")
    assert relay.hub.stream_count == 0


async def test_the_sixth_stream_is_refused_and_a_place_comes_back_when_a_client_leaves(pool, relay, http):
    ada = await add_user(pool)
    responses = [await http.get(relay.url, headers=ada.header) for _ in range(5)]
    status, slug, headers = await fetch_problem(http, relay, ada.header)
    assert (status, slug) == (429, "too-many-streams")
    assert int(headers["Retry-After"]) > 0
    responses.pop().close()
    await wait_until(lambda: relay.hub.stream_count == 4)
    async with open_stream(http, relay, ada) as stream:
        assert (await stream.read_event()).name == "snapshot"
    for response in responses:
        response.close()
    await wait_until(lambda: relay.hub.stream_count == 0)


async def test_a_restart_says_bye_and_ends_every_stream(pool, relay, http):
    ada = await add_user(pool)
    async with open_stream(http, relay, ada) as stream:
        await stream.read_event()
        relay.hub.close("restart", retry_after=4)
        bye = await stream.read_event()
        assert (bye.name, bye.id, bye.data) == ("bye", None, {"reason": "restart", "retry_after": 4})
        assert await stream.read_rest() == ""
    assert (await fetch_problem(http, relay, ada.header))[:2] == (503, "unavailable")


async def test_a_quiet_stream_has_a_heartbeat(pool, http):
    ada = await add_user(pool)
    rules = StreamRules(sweep_interval=NEVER, heartbeat_interval=timedelta(seconds=0.05), recheck_interval=NEVER)
    async with RelayProcess(pool, rules).serve() as relay, open_stream(http, relay, ada) as stream:
        assert (await stream.read_event()).name == "snapshot"
        for _ in range(3):
            assert await stream.read_block() == ":\n\n"


RECHECKING = StreamRules(sweep_interval=NEVER, heartbeat_interval=NEVER, recheck_interval=timedelta(seconds=0.2))


@pytest.mark.parametrize(
    ("statement", "reason"),
    [
        ("update api_keys set revoked_at = now()", "revoked"),
        ("delete from api_keys", "revoked"),
        ("update api_keys set scopes = '{control}'", "revoked"),
        ("update users set closed_at = now()", "revoked"),
        ("update users set plan = 'basic'", "plan"),
    ],
)
async def test_who_is_no_longer_allowed_is_sent_away(pool, http, statement, reason):
    ada = await add_user(pool)
    async with RelayProcess(pool, RECHECKING).serve() as relay, open_stream(http, relay, ada) as stream:
        await stream.read_event()
        async with pool.connection() as connection:
            await connection.execute(statement)
        bye = await stream.read_event()
        assert (bye.name, bye.data["reason"]) == ("bye", reason)
        assert await stream.read_rest() == ""
        await wait_until(lambda: relay.hub.stream_count == 0)


async def test_a_changed_account_is_told_and_an_unchanged_one_is_not(pool, http):
    ada = await add_user(pool)
    async with RelayProcess(pool, RECHECKING).serve() as relay, open_stream(http, relay, ada) as stream:
        await stream.read_event()
        async with pool.connection() as connection:
            await connection.execute("update users set name = 'Ada L.'")
        account = await stream.read_event()
        assert (account.name, account.data["title"]) == ("account", "Ada L.")
        async with pool.connection() as connection:
            await connection.execute("update users set plan = 'free'")
        assert (await stream.read_event()).name == "bye"


async def test_a_database_that_does_not_answer_ends_no_stream(pool, database_url, http):
    ada = await add_user(pool)
    beat = timedelta(seconds=0.05)
    rules = StreamRules(sweep_interval=NEVER, heartbeat_interval=beat, recheck_interval=beat)
    async with (
        open_pool(database_url, size=2) as own,
        RelayProcess(own, rules).serve() as relay,
        open_stream(http, relay, ada) as stream,
    ):
        await stream.read_event()
        await own.close()
        for _ in range(10):  # as many looks at the credential have failed meanwhile
            assert await stream.read_block() == ":\n\n"


async def test_a_client_that_stops_reading_loses_its_place_and_disturbs_nobody(pool, http):
    ada = await add_user(pool)
    rules = StreamRules(
        sweep_interval=NEVER,
        heartbeat_interval=NEVER,
        recheck_interval=NEVER,
        send_timeout=timedelta(seconds=0.5),
        max_backlog_bytes=500_000,
    )
    async with RelayProcess(pool, rules).serve() as relay:
        request = f"GET /api/ha/v2/stream HTTP/1.1\r\nHost: relay\r\nAuthorization: Bearer {ada.key}\r\n\r\n"
        host, port = relay.socket.getsockname()
        reader, writer = await asyncio.open_connection(host, port, limit=1024)
        writer.write(request.encode())
        assert (await reader.readline()).startswith(b"HTTP/1.1 200")
        writer.transport.pause_reading()
        async with open_stream(http, relay, ada) as stream:
            await stream.read_event()
            car = None
            async with asyncio.timeout(30):
                while relay.hub.stream_count == 2:
                    car, revision = await put_vehicle(pool, ada.id, car, corrections=["x" * 100_000])
                    relay.waker.wake([ada.id])
                    while (event := await stream.read_event()).seq < revision:
                        pass
            assert event.data["revision"] == revision
        writer.transport.abort()
