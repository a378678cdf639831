"""The operator's switches and figures on a whole relay: its app on a port, its worker, the real command beside it."""

import asyncio
import json
import os
import socket
import sys
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import pytest
import uvicorn
from pydantic import SecretStr

from relay.app import create_app
from relay.settings import Settings
from tests.relay.support.enode_events import CHARGING, STOPPED, make_event, make_vehicle, sign_body
from tests.relay.support.feed import add_user, fetch_value, parse_event

EVCONDUIT = str(Path(sys.executable).with_name("evconduit"))
CURRENT, PREVIOUS, INTERNAL = "the-current-secret", "the-previous-secret", "an-internal-key-of-the-operator"


class World:
    """One relay, one person, one command line."""

    def __init__(self, url, http, pool, person, environment):
        self.url, self.http, self.pool, self.person, self.environment = url, http, pool, person, environment

    async def run(self, *arguments, **environment):
        process = await asyncio.create_subprocess_exec(
            EVCONDUIT,
            *arguments,
            env=self.environment | environment,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await asyncio.wait_for(process.communicate(), 60)
        return process.returncode, out.decode(), err.decode()

    async def tell(self, *arguments):
        code, out, err = await self.run(*arguments)
        assert code == 0, err
        return out

    async def get(self, path, **headers):
        async with self.http.get(self.url + path, headers=headers) as response:
            return response.status, await response.text()

    async def enode_tells(self, secret=CURRENT, **groups):
        now = datetime.now(UTC)
        happened = make_event("user:vehicle:updated", now, self.person.id, vehicle=make_vehicle("car", now, **groups))
        raw = json.dumps([happened]).encode()
        headers = {"x-enode-signature": sign_body(raw, secret)}
        async with self.http.post(f"{self.url}/api/webhook/enode", data=raw, headers=headers) as response:
            return response.status

    @asynccontextmanager
    async def stream(self):
        async with self.http.get(f"{self.url}/api/ha/v2/stream", headers=self.person.header) as response:
            assert response.status == 200

            async def following():
                async with asyncio.timeout(40):
                    while True:
                        block = (await response.content.readuntil(b"\n\n")).decode().strip()
                        if (found := parse_event(block)) is not None:
                            return found

            yield following

    async def status(self):
        return json.loads(await self.tell("status", "--json"))

    async def settled(self, count):
        """Until the drain has acted on so many events."""
        async with asyncio.timeout(20), self.pool.connection() as connection:
            while await fetch_value(connection, "select count(*) from webhook_logs where state = 'done'") != count:
                await asyncio.sleep(0.05)


@asynccontextmanager
async def serving(settings, conninfo):
    listening = socket.create_server(("127.0.0.1", 0))
    app = create_app(settings, conninfo)
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, timeout_graceful_shutdown=5, lifespan="on"))
    task = asyncio.create_task(server.serve(sockets=[listening]))
    try:
        async with asyncio.timeout(20):
            while not server.started:
                assert not task.done()
                await asyncio.sleep(0.01)
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        app.state.runtime.hub.close()
        server.should_exit = True
        await task


@pytest.fixture
def settings(database_url, tmp_path):
    return Settings(
        data=tmp_path,
        database_url=SecretStr(database_url),
        enode_webhook_secret=SecretStr(CURRENT),
        enode_webhook_secret_previous=SecretStr(PREVIOUS),
        internal_api_key=SecretStr(INTERNAL),
    )


@pytest.fixture
async def world(settings, database_url, pool, tmp_path):
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "EVCONDUIT_DATA": str(tmp_path)}
    async with serving(settings, database_url) as url, aiohttp.ClientSession() as http:
        yield World(url, http, pool, await add_user(pool), environment | {"DATABASE_URL": database_url})


async def test_while_delivery_is_paused_a_stream_stays_open_and_gets_everything_afterwards(world):
    assert await world.enode_tells(charge=STOPPED) == 200
    await world.settled(1)
    async with world.stream() as following:
        assert (await following()).name == "snapshot"
        await world.tell("pause", "delivery")
        await world.enode_tells(charge=CHARGING)
        await world.enode_tells(charge=STOPPED)
        await world.settled(3)
        waits = asyncio.create_task(following())
        done, _ = await asyncio.wait({waits}, timeout=6)  # longer than a sweep
        assert not done
        await world.tell("resume", "delivery")
        told = [await waits, await following(), await following()]
    kinds = [it.data["type"] for it in told if it.name == "transition"]
    assert kinds == ["charging_started", "charging_stopped"]
    assert [it.seq for it in told] == sorted(it.seq for it in told)


async def test_a_disabled_account_is_refused_its_stream_ends_and_its_events_are_kept(world):
    who = str(world.person.id)
    async with world.stream() as following:
        assert (await following()).name == "snapshot"
        await world.tell("user", "disable", "--user", who)
        status, body = await world.get("/api/ha/v2/account", **world.person.header)
        assert (status, json.loads(body)["type"]) == (403, "urn:evconduit:problem:account-disabled")
        assert await world.enode_tells(charge=STOPPED) == 200
        while (last := await following()).name != "bye":
            pass
        assert last.data["reason"] == "revoked"
    await world.settled(1)
    await world.tell("user", "enable", "--user", who)
    status, body = await world.get("/api/ha/v2/vehicles", **world.person.header)
    assert status == 200
    assert len(json.loads(body)["vehicles"]) == 1


async def test_commands_are_paused_and_resumed_by_the_command(world):
    assert "commands paused" not in await world.tell("status")
    await world.tell("pause", "commands")
    assert "commands paused" in await world.tell("status")
    assert (await world.status())["paused"] == {"commands_paused": 1}
    await world.tell("resume", "commands")
    assert (await world.status())["paused"] == {}


@pytest.mark.parametrize(
    "what", [("pause", "everything"), ("inbox", "list", "--state", "lost"), ("inbox", "show", "9")]
)
async def test_what_is_not_there_is_refused_in_one_line(world, what):
    code, out, err = await world.run(*what)
    assert (code, out) == (2, "")
    assert len(err.strip().splitlines()) == 1


async def test_both_secrets_are_right_during_a_rotation_and_no_other(world):
    assert [await world.enode_tells(secret) for secret in (CURRENT, PREVIOUS, "another-secret")] == [200, 200, 401]
    await world.settled(2)


async def test_metrics_want_the_key_and_say_what_the_status_says(world):
    await world.enode_tells()
    await world.settled(1)
    assert (await world.get("/metrics"))[0] == 401
    assert (await world.get("/metrics", **{"X-Internal-API-Key": "wrong"}))[0] == 401
    assert (await world.get("/metrics", Authorization=f"Bearer {INTERNAL}"))[0] == 200
    async with world.stream() as following:
        await following()
        status, text = await world.get("/metrics", **{"X-Internal-API-Key": INTERNAL})
    assert status == 200
    lines = text.splitlines()
    assert "evconduit_inbox_oldest_pending_seconds 0.0" in lines
    assert "evconduit_inbox_oldest_pending_seconds 0.0" in lines
    assert "evconduit_streams 1" in lines
    assert any('route="/api/webhook/enode"' in line for line in lines)
    figures = await world.status()
    assert figures["inbox_events"] == {}
    assert figures["enode_heartbeat_seconds"] is None
    assert 0 <= figures["enode_heard_seconds"] < 60


async def test_the_internal_status_is_the_status_and_wants_the_key(world):
    path = "/api/v1/internal/status"
    for wrong in ({}, {"X-Internal-API-Key": "wrong"}, world.person.header):
        assert (await world.get(path, **wrong))[0] == 401
    status, text = await world.get(path, **{"X-Internal-API-Key": INTERNAL})
    assert (status, json.loads(text)["figures"].keys()) == (200, (await world.status()).keys())


async def test_without_an_internal_key_there_are_no_metrics(settings, database_url):
    keyless = settings.model_copy(update={"internal_api_key": None})
    async with serving(keyless, database_url) as url, aiohttp.ClientSession() as http, http.get(f"{url}/metrics") as it:
        assert it.status == 404
        async with http.get(f"{url}/api/v1/internal/status", headers={"X-Internal-API-Key": INTERNAL}) as internal:
            assert internal.status == 404


@pytest.mark.parametrize(
    ("state", "word"), [("ok", "ok  "), ("starting", "ok  "), ("silent", "FAIL"), ("signature_failures", "FAIL")]
)
async def test_the_doctor_says_how_enodes_webhook_does(world, pool, state, word):
    async with pool.connection() as connection:
        await connection.execute(
            "insert into enode_health (account_id, state, since) values ('default', %s, '2026-11-25 10:00+00')", [state]
        )
    _, out, _ = await world.run("doctor", WEBHOOK_URL="https://relay.example.org/x", ENODE_WEBHOOK_SECRET=CURRENT)
    (line,) = [line for line in out.splitlines() if "updates:" in line]
    assert line.startswith(word)
    assert f"{state} since 2026-11-25 10:00 UTC" in line
