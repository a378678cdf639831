"""Ada, with the data of the API documentation's examples, and Mallory, another user who knows all of Ada's ids."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from uuid import UUID, uuid4

import httpx
import pytest
from psycopg.rows import dict_row

from relay.identity.web_sessions import create_web_session, set_browser_name
from relay.kit.database import fetch_one
from relay.kit.rate_limiter import RateLimiter
from tests.relay.api_docs.conftest import JWT, SUPABASE_ID, USER_ID, account, app, enode, resolve_to_loopback
from tests.relay.support.endpoints import open_test_outbound
from tests.relay.support.serving import serve_relay

__all__ = ["account", "app", "enode"]

MALLORY = "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJtYWxsb3J5In0.c2lnbmF0dXJl"
OWNED_IDS = """
select (select id::text from vehicles where user_id = %(user)s) as vehicle_id,
       (select l.enode_vehicle_id from vehicle_links l join vehicles v on v.id = l.vehicle_id
        where v.user_id = %(user)s and l.ended_at is null) as enode_vehicle_id,
       (select min(id::text) from commands where user_id = %(user)s) as command_id,
       (select s.id::text from charging_sessions s join vehicles v on v.id = s.vehicle_id
        where v.user_id = %(user)s) as session_id,
       (select min(id::text) from endpoints where user_id = %(user)s) as endpoint_id,
       (select min(id::text) from api_keys where user_id = %(user)s) as key_id,
       (select min(id::text) from oauth_grants where user_id = %(user)s) as installation_id,
       (select min(id::text) from web_sessions where user_id = %(user)s and browser = 'Firefox') as browser_id
"""


class Client(httpx.AsyncClient):
    """A user with a credential for the API and a web session for the pages."""

    csrf: str = ""

    async def call(self, method: str, path: str, body: dict | None = None) -> httpx.Response:
        """Request an API route with JSON, or a page with a form that contains its CSRF token."""
        if path.startswith("/api/"):
            return await self.request(method, path, json=body)
        if method == "POST":
            return await self.post(path, data={"csrf": self.csrf, **(body or {})})
        return await self.request(method, path)


@pytest.fixture
async def url(app, account, pool, make_account) -> AsyncIterator[str]:
    """The address of a running relay that accepts the tokens of Ada and Mallory."""
    mallory = await make_account()
    supabase_ids = {JWT: SUPABASE_ID, MALLORY: uuid4()}
    async with pool.connection() as connection:
        await connection.execute(
            "update users set supabase_id = %s, accepted_terms_at = now() where id = %s",
            [supabase_ids[MALLORY], mallory.user_id],
        )
        await connection.execute(
            "with made as (insert into oauth_grants (user_id, client_id, name, scopes, redirect_uri) "
            "values (%s, 'home-assistant', 'Cottage', '{read}', 'https://ha.example') returning id, user_id) "
            "insert into endpoints (user_id, credential_id, kind, url) "
            "select user_id, id, 'v2', 'https://ha.example/api/webhook/1' from made",
            [USER_ID],
        )

        await set_browser_name(connection, await create_web_session(connection, USER_ID, "link"), "Firefox")

    async def verify(token: str) -> UUID | None:
        return supabase_ids.get(token)

    async with serve_relay(app) as at, open_test_outbound(resolve=resolve_to_loopback) as outbound:
        app.state.runtime = replace(
            app.state.runtime,
            verify_supabase_token=verify,
            rate_limiter=RateLimiter(per_minute=1_000_000),
            outbound=outbound,
        )
        app.state.mallory = mallory
        yield at


@pytest.fixture
async def ids(url, pool) -> dict[str, str]:
    """Ada's ids, by the names of path parameters."""
    async with pool.connection() as connection:
        owned_ids = await fetch_one(connection, OWNED_IDS, {"user": USER_ID}, dict_row)
    assert owned_ids
    assert all(owned_ids.values()), owned_ids
    return owned_ids


@asynccontextmanager
async def open_client(url: str, pool, user_id: UUID, token: str) -> AsyncIterator[Client]:
    async with Client(base_url=url, headers={"Authorization": f"Bearer {token}"}, timeout=20) as client:
        async with pool.connection() as connection:
            session = await create_web_session(connection, user_id, "link")
        client.cookies.set("evconduit_session", session, domain="127.0.0.1")
        page = await client.get("/profile")
        token_field = re.search(r'name="csrf" value="([0-9a-f]{64})"', page.text)
        assert token_field, page.status_code
        client.csrf = token_field[1]
        yield client


@pytest.fixture
async def mallory(app, url, pool) -> AsyncIterator[Client]:
    async with open_client(url, pool, app.state.mallory.user_id, MALLORY) as client:
        yield client


@pytest.fixture
async def ada(url, pool) -> AsyncIterator[Client]:
    async with open_client(url, pool, USER_ID, JWT) as client:
        yield client
