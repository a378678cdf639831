"""The stream as a client sees it: a real server on loopback, a real HTTP client, a real database."""

import asyncio
import json
from dataclasses import replace
from datetime import timedelta

import pytest

from relay.kit.database import open_pool
from relay.streams.rules import StreamRules
from tests.relay.support.feed import (
    add_transition,
    add_user,
    put_vehicle,
    remove_vehicle,
    wait_until,
)
from tests.relay.support.streams import RelayProcess, open_stream

NEVER = timedelta(hours=1)
RULES = StreamRules(sweep_interval=NEVER, heartbeat_interval=NEVER, recheck_interval=NEVER)


@pytest.fixture
async def relay(pool):
    async with RelayProcess(pool, RULES).serve() as relay:
        yield relay


async def fetch_problem(http, relay, headers):
    async with http.get(relay.url, headers=headers) as response:
        body = await response.json()
        assert response.headers["Content-Type"] == "application/problem+json"
        return response.status, body["type"].removeprefix("urn:evconduit:problem:"), response.headers


async def test_stream_sends_a_snapshot_then_each_committed_change(pool, relay, http):
    ada = await add_user(pool)
    vehicle_id, _ = await put_vehicle(pool, ada.id, level=10)
    async with open_stream(http, relay, ada) as stream:
        snapshot = await stream.read_event()
        assert (snapshot.name, snapshot.seq) == ("snapshot", 1)
        assert set(snapshot.data) == {"at", "epoch", "account", "vehicles"}
        assert snapshot.data["epoch"] == snapshot.id.rpartition(".")[0]
        assert snapshot.data["account"]["relay"]["version"] == "1.2.3"
        assert [vehicle["vehicle"]["chargeState"]["batteryLevel"] for vehicle in snapshot.data["vehicles"]] == [10]
        await add_transition(pool, ada.id, vehicle_id, "plugged_in")
        await put_vehicle(pool, ada.id, vehicle_id, level=11)
        relay.waker.wake([ada.id])
        transition, vehicle = await stream.read_event(), await stream.read_event()
        assert (transition.name, transition.seq, transition.data["type"]) == ("transition", 2, "plugged_in")
        assert transition.data["replayed"] is False
        assert (vehicle.name, vehicle.seq, vehicle.data["revision"]) == ("vehicle", 3, 3)
        await remove_vehicle(pool, ada.id, vehicle_id)
        relay.waker.wake([ada.id])
        assert (await stream.read_event()).data == {"id": str(vehicle_id), "reason": "unlinked"}


async def test_response_headers_forbid_caching_and_buffering(pool, relay, http):
    ada = await add_user(pool)
    async with open_stream(http, relay, ada) as stream:
        headers = stream.response.headers
    assert headers["Content-Type"].startswith("text/event-stream")
    assert "no-store" in headers["Cache-Control"]
    assert headers["X-Accel-Buffering"] == "no"
    assert "Content-Encoding" not in headers
    assert "Content-Length" not in headers


async def test_reconnecting_client_gets_the_transitions_it_missed(pool, relay, http):
    ada = await add_user(pool)
    vehicle_id, _ = await put_vehicle(pool, ada.id)
    async with open_stream(http, relay, ada) as stream:
        before = (await stream.read_event()).id
    for kind in ("plugged_in", "charging_started"):
        await add_transition(pool, ada.id, vehicle_id, kind)
    await put_vehicle(pool, ada.id, vehicle_id, level=60)
    async with open_stream(http, relay, ada, before) as stream:
        snapshot, first, second = [await stream.read_event() for _ in range(3)]
        assert "gap" not in snapshot.data
        # The client reaches the snapshot's cursor only with the last replayed transition.
        assert snapshot.id == before
        assert [(event.data["type"], event.data["replayed"], event.seq) for event in (first, second)] == [
            ("plugged_in", True, 2),
            ("charging_started", True, 3),
        ]
        await put_vehicle(pool, ada.id, vehicle_id, level=61)
        relay.waker.wake([ada.id])
        assert (await stream.read_event()).seq == 5
    async with open_stream(http, relay, ada, first.id) as stream:
        assert [(await stream.read_event()).seq for _ in range(2)] == [2, 3]


@pytest.mark.parametrize("cursor", ["another.1", "not a cursor", "{epoch}.99"])
async def test_invalid_last_event_id_leaves_a_gap(pool, relay, http, cursor):
    ada = await add_user(pool)
    await put_vehicle(pool, ada.id)
    async with open_stream(http, relay, ada) as stream:
        current = (await stream.read_event()).id
    epoch = current.partition(".")[0]
    async with open_stream(http, relay, ada, cursor.format(epoch=epoch)) as stream:
        snapshot = await stream.read_event()
    assert snapshot.data["gap"] is True
    assert snapshot.id == current


async def test_large_snapshot_is_split_into_bounded_lines(pool, relay, http):
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


async def test_stream_requires_a_key_with_read_scope_and_a_push_plan(pool, relay, http):
    assert (await fetch_problem(http, relay, {}))[:2] == (401, "unauthorized")
    assert (await fetch_problem(http, relay, {"Authorization": "Bearer evc_" + "x" * 43}))[:2] == (401, "unauthorized")
    without_read = await add_user(pool, scopes=("control",))
    assert (await fetch_problem(http, relay, without_read.header))[:2] == (403, "forbidden")
    free = await add_user(pool, plan="free")
    assert (await fetch_problem(http, relay, free.header))[:2] == (403, "plan-required")
    assert relay.hub.stream_count == 0


async def test_sixth_stream_is_refused_until_a_client_disconnects(pool, relay, http):
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


async def test_restart_sends_bye_and_ends_every_stream(pool, relay, http):
    ada = await add_user(pool)
    async with open_stream(http, relay, ada) as stream:
        await stream.read_event()
        relay.hub.close("restart", retry_after=4)
        bye = await stream.read_event()
        assert (bye.name, bye.id, bye.data) == ("bye", None, {"reason": "restart", "retry_after": 4})
        assert await stream.read_rest() == ""
    assert (await fetch_problem(http, relay, ada.header))[:2] == (503, "unavailable")


async def test_idle_stream_sends_heartbeats(pool, http):
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
async def test_stream_ends_with_bye_when_access_is_revoked(pool, http, statement, reason):
    ada = await add_user(pool)
    async with RelayProcess(pool, RECHECKING).serve() as relay, open_stream(http, relay, ada) as stream:
        await stream.read_event()
        async with pool.connection() as connection:
            await connection.execute(statement)
        bye = await stream.read_event()
        assert (bye.name, bye.data["reason"]) == ("bye", reason)
        assert await stream.read_rest() == ""
        await wait_until(lambda: relay.hub.stream_count == 0)


async def test_forged_hint_of_a_revocation_ends_no_stream_and_a_true_one_ends_it_at_once(pool, http):
    ada = await add_user(pool)
    rules = replace(RULES, recheck_interval=timedelta(hours=1), min_recheck_interval=timedelta(0))
    async with RelayProcess(pool, rules).serve() as relay, open_stream(http, relay, ada) as stream:
        await stream.read_event()
        async with pool.connection() as connection:
            await connection.execute("update users set name = 'Ada L.'")
            for forged in (frozenset([ada.credential]), frozenset([ada.id])):
                relay.hub.receive_revoked(forged)
            assert (await stream.read_event()).data["title"] == "Ada L."  # the recheck found nothing worse
            await connection.execute("update api_keys set revoked_at = now()")
        relay.hub.receive_revoked(frozenset([ada.credential]))
        bye = await stream.read_event()
        assert (bye.name, bye.data["reason"]) == ("bye", "revoked")


async def test_requested_rechecks_are_spaced_so_that_forged_hints_cost_little(pool, http):
    ada = await add_user(pool)
    rules = replace(RULES, recheck_interval=timedelta(hours=2), min_recheck_interval=timedelta(hours=1))
    async with RelayProcess(pool, rules).serve() as relay, open_stream(http, relay, ada) as stream:
        await stream.read_event()
        async with pool.connection() as connection:
            for name in ("Ada L.", "Ada King"):
                await connection.execute("update users set name = %s", [name])
                relay.hub.receive_revoked(frozenset([ada.id]))
                if name == "Ada L.":
                    assert (await stream.read_event()).data["title"] == name
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await stream.response.content.readuntil(b"\n\n")


async def test_account_message_is_sent_only_when_the_account_changes(pool, http):
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


async def test_database_outage_does_not_end_streams(pool, database_url, http):
    ada = await add_user(pool)
    interval = timedelta(seconds=0.05)
    rules = StreamRules(sweep_interval=NEVER, heartbeat_interval=interval, recheck_interval=interval)
    async with (
        open_pool(database_url, size=2) as own,
        RelayProcess(own, rules).serve() as relay,
        open_stream(http, relay, ada) as stream,
    ):
        await stream.read_event()
        await own.close()
        for _ in range(10):  # meanwhile as many rechecks have failed
            assert await stream.read_block() == ":\n\n"


async def test_client_that_stops_reading_is_dropped_without_affecting_others(pool, http):
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
            vehicle_id = None
            async with asyncio.timeout(30):
                while relay.hub.stream_count == 2:
                    vehicle_id, revision = await put_vehicle(pool, ada.id, vehicle_id, corrections=["x" * 100_000])
                    relay.waker.wake([ada.id])
                    while (event := await stream.read_event()).seq < revision:
                        pass
            assert event.data["revision"] == revision
        writer.transport.abort()
