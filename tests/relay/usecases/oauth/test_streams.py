"""Streams of OAuth installations depend on the grant, not on the access token that opened them."""

import asyncio
from datetime import timedelta

import httpx
import pytest

from relay.app import create_app
from relay.settings import Settings
from relay.streams.rules import StreamRules
from tests.relay.support.serving import serve_relay
from tests.relay.usecases.oauth.client import OAuthClient

STREAM = "/api/ha/v2/stream"


@pytest.fixture
async def served(tmp_path, database_url):
    settings = Settings(data=tmp_path, database_url=database_url, secret_key="k" * 32)
    app = create_app(settings, database_url, with_worker=False)
    async with serve_relay(app) as url, httpx.AsyncClient(base_url=url) as http:
        app.state.runtime.hub.rules = StreamRules(recheck_interval=timedelta(milliseconds=40))
        yield OAuthClient(http, app.state.runtime)


async def execute(pool, statement):
    async with pool.connection() as connection:
        return await connection.execute(statement)


async def wait_for_recheck(pool):
    """Wait until the stream has checked its credential again, which updates `last_used_at`."""
    await execute(pool, "update oauth_grants set last_used_at = now() - interval '1 hour'")
    async with asyncio.timeout(20):
        while True:
            cursor = await execute(pool, "select last_used_at > now() - interval '1 minute' from oauth_grants")
            if await cursor.fetchone() == (True,):
                return
            await asyncio.sleep(0.01)


async def test_stream_outlives_its_access_token_and_ends_with_its_grant(served, pool, account):
    tokens = await served.sign_in(account.user_id)
    headers = {"Authorization": f"Bearer {tokens['access_token']}"}
    async with asyncio.timeout(40), served.http.stream("GET", STREAM, headers=headers) as stream:
        lines = stream.aiter_lines()
        assert await anext(lines) == "event: snapshot"
        await execute(pool, "update oauth_tokens set access_expires_at = now() - interval '1 hour'")
        assert await served.call(tokens["access_token"]) == 401
        for _ in range(3):
            await wait_for_recheck(pool)
        await execute(pool, "update oauth_grants set revoked_at = now()")
        rest = [line async for line in lines]
    assert [line for line in rest if line.startswith("event:")] == ["event: bye"]
    assert '"revoked"' in rest[-2]


async def test_revoking_the_grant_in_the_same_process_ends_the_stream_at_once(served, account):
    tokens = await served.sign_in(account.user_id)
    served.runtime.hub.rules = StreamRules(recheck_interval=timedelta(hours=1))
    headers = {"Authorization": f"Bearer {tokens['access_token']}"}
    async with asyncio.timeout(40), served.http.stream("GET", STREAM, headers=headers) as stream:
        lines = stream.aiter_lines()
        assert await anext(lines) == "event: snapshot"
        assert (await served.revoke(tokens["refresh_token"])).status_code == 200
        rest = [line async for line in lines]
    assert "event: bye" in rest
