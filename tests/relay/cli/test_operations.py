"""Commands against a running relay: app and worker in this process, `evconduit` in a process of its own."""

import asyncio
import json
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import aiohttp
import pytest
from pydantic import SecretStr

from relay.app import create_app
from relay.settings import Settings
from tests.relay.support.command_line import CommandLine
from tests.relay.support.enode_events import CHARGING, STOPPED, make_event, make_vehicle, sign_body
from tests.relay.support.feed import add_user, fetch_value, parse_event
from tests.relay.support.redis_server import REDIS, REDIS_MISSING, RedisServer
from tests.relay.support.serving import serve_relay

CURRENT, PREVIOUS, INTERNAL = "the-current-secret", "the-previous-secret", "an-internal-key-of-the-operator"


class RunningRelay:
    """A relay with one user, its HTTP interface and its command line."""

    def __init__(self, url, http, pool, user, operator):
        self.url, self.http, self.pool, self.user, self.operator = url, http, pool, user, operator

    async def run(self, *arguments, **environment):
        return await asyncio.to_thread(self.operator.run, *arguments, **environment)

    async def run_checked(self, *arguments):
        return await asyncio.to_thread(self.operator.run_checked, *arguments)

    async def get(self, path, **headers):
        async with self.http.get(self.url + path, headers=headers) as response:
            return response.status, await response.text()

    async def post_enode_event(self, secret=CURRENT, **groups):
        now = datetime.now(UTC)
        vehicle_event = make_event(
            "user:vehicle:updated", now, self.user.id, vehicle=make_vehicle("car", now, **groups)
        )
        raw = json.dumps([vehicle_event]).encode()
        headers = {"x-enode-signature": sign_body(raw, secret)}
        async with self.http.post(f"{self.url}/api/webhook/enode", data=raw, headers=headers) as response:
            return response.status

    @asynccontextmanager
    async def stream(self):
        async with self.http.get(f"{self.url}/api/ha/v2/stream", headers=self.user.header) as response:
            assert response.status == 200

            async def read_next_event():
                async with asyncio.timeout(40):
                    while True:
                        block = (await response.content.readuntil(b"\n\n")).decode().strip()
                        if (event := parse_event(block)) is not None:
                            return event

            yield read_next_event

    async def status(self):
        return json.loads(await self.run_checked("status", "--json"))

    async def wait_until_processed(self, count):
        """Wait until this many events are processed."""
        async with asyncio.timeout(20), self.pool.connection() as connection:
            while await fetch_value(connection, "select count(*) from webhook_logs where state = 'done'") != count:
                await asyncio.sleep(0.05)


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
def open_relay(database_url, pool, tmp_path):
    """Starts a relay with these settings; variables are added to the environment of its command line."""

    @asynccontextmanager
    async def start(settings, **variables):
        async with serve_relay(create_app(settings, database_url)) as url, aiohttp.ClientSession() as http:
            operator = CommandLine(tmp_path, DATABASE_URL=database_url, **variables)
            yield RunningRelay(url, http, pool, await add_user(pool), operator)

    return start


@pytest.fixture
async def relay(settings, open_relay):
    async with open_relay(settings) as running:
        yield running


@pytest.fixture(params=["notify", pytest.param("redis", marks=pytest.mark.skipif(REDIS is None, reason=REDIS_MISSING))])
async def relay_with_bus(request, settings, open_relay, tmp_path):
    """A running relay with each transport of hints between processes in turn."""
    if request.param == "notify":
        async with open_relay(settings) as running:
            yield running
        return
    (tmp_path / "redis").mkdir()
    server = RedisServer(tmp_path / "redis")
    server.start()
    try:
        redis = settings.model_copy(update={"redis_url": SecretStr(server.url)})
        async with open_relay(redis, REDIS_URL=server.url) as running:
            yield running
    finally:
        server.stop()


async def test_stream_stays_open_while_delivery_is_paused_and_gets_everything_on_resume(relay):
    assert await relay.post_enode_event(charge=STOPPED) == 200
    await relay.wait_until_processed(1)
    async with relay.stream() as read_next_event:
        assert (await read_next_event()).name == "snapshot"
        await relay.run_checked("pause", "delivery")
        await relay.post_enode_event(charge=CHARGING)
        await relay.post_enode_event(charge=STOPPED)
        await relay.wait_until_processed(3)
        next_event = asyncio.create_task(read_next_event())
        done, _ = await asyncio.wait({next_event}, timeout=6)  # longer than a sweep
        assert not done
        await relay.run_checked("resume", "delivery")
        events = [await next_event, await read_next_event(), await read_next_event()]
    kinds = [event.data["type"] for event in events if event.name == "transition"]
    assert kinds == ["charging_started", "charging_stopped"]
    assert [event.seq for event in events] == sorted(event.seq for event in events)


async def test_disabled_account_is_refused_and_keeps_its_events(relay):
    user = ("--user", str(relay.user.id))
    async with relay.stream() as read_next_event:
        assert (await read_next_event()).name == "snapshot"
        await relay.run_checked("user", "disable", *user)
        status, body = await relay.get("/api/ha/v2/account", **relay.user.header)
        assert (status, json.loads(body)["type"]) == (403, "urn:evconduit:problem:account-disabled")
        assert await relay.post_enode_event(charge=STOPPED) == 200
        while (last := await read_next_event()).name != "bye":
            pass
        assert last.data["reason"] == "revoked"
    await relay.wait_until_processed(1)
    await relay.run_checked("user", "enable", *user)
    status, body = await relay.get("/api/ha/v2/vehicles", **relay.user.header)
    assert status == 200
    assert len(json.loads(body)["vehicles"]) == 1


@pytest.mark.parametrize("command", [("key", "revoke"), ("user", "disable"), ("user", "delete", "--yes")])
async def test_command_that_revokes_access_ends_open_streams_at_once(relay_with_bus, command):
    relay = relay_with_bus
    user = ("--user", str(relay.user.id))
    if command == ("key", "revoke"):
        command = (*command, (await relay.run_checked("key", "list", *user)).split("…")[0])
    async with relay.stream() as read_next_event:
        assert (await read_next_event()).name == "snapshot"
        await relay.run_checked(*command, *user)
        async with asyncio.timeout(5):  # the credential itself is checked again only after 25 seconds
            while (last := await read_next_event()).name != "bye":
                pass
    assert last.data["reason"] == "revoked"


async def test_webhook_accepts_current_and_previous_secret_and_no_other(relay):
    assert [await relay.post_enode_event(secret) for secret in (CURRENT, PREVIOUS, "another-secret")] == [200, 200, 401]
    await relay.wait_until_processed(2)


async def test_metrics_require_the_internal_key_and_match_the_status(relay):
    await relay.post_enode_event()
    await relay.wait_until_processed(1)
    assert (await relay.get("/metrics"))[0] == 401
    assert (await relay.get("/metrics", **{"X-Internal-API-Key": "wrong"}))[0] == 401
    assert (await relay.get("/metrics", Authorization=f"Bearer {INTERNAL}"))[0] == 200
    async with relay.stream() as read_next_event:
        await read_next_event()
        status, text = await relay.get("/metrics", **{"X-Internal-API-Key": INTERNAL})
    assert status == 200
    lines = text.splitlines()
    assert "evconduit_inbox_oldest_pending_seconds 0.0" in lines
    assert "evconduit_streams 1" in lines
    assert any('route="/api/webhook/enode"' in line for line in lines)
    status_values = await relay.status()
    assert status_values["inbox_events"] == {}
    assert status_values["enode_heartbeat_seconds"] is None
    assert 0 <= status_values["enode_heard_seconds"] < 60


async def test_internal_status_requires_the_internal_key_and_matches_the_command(relay):
    path = "/api/v1/internal/status"
    for wrong in ({}, {"X-Internal-API-Key": "wrong"}, relay.user.header):
        assert (await relay.get(path, **wrong))[0] == 401
    status, text = await relay.get(path, **{"X-Internal-API-Key": INTERNAL})
    assert (status, json.loads(text)["figures"].keys()) == (200, (await relay.status()).keys())


async def test_metrics_are_404_without_an_internal_key(settings, database_url):
    keyless = settings.model_copy(update={"internal_api_key": None})
    async with (
        serve_relay(create_app(keyless, database_url)) as url,
        aiohttp.ClientSession() as http,
        http.get(f"{url}/metrics") as response,
    ):
        assert response.status == 404
        async with http.get(f"{url}/api/v1/internal/status", headers={"X-Internal-API-Key": INTERNAL}) as internal:
            assert internal.status == 404
