"""The real relay, and browsers without a screen: they keep cookies, follow links by hand and post forms."""

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from uuid import UUID

import httpx
import pytest
from fastapi import FastAPI
from psycopg import AsyncConnection

from relay.app import create_app
from relay.identity.web_sessions import create_web_session
from relay.settings import Settings


class Browser(httpx.AsyncClient):
    """Keeps cookies, follows nothing by itself."""

    async def submit(self, path: str, on: str | None = None, **fields: str | list[str]) -> httpx.Response:
        """Post a form that stands on the page `on` (else on the one that it is posted to), with its hidden token."""
        shown = await self.get(on or path)
        token = re.search(r'name="csrf" value="([0-9a-f]{64})"', shown.text)
        assert token, f"no form on {on or path}: {shown.status_code}"
        return await self.post(path, data={"csrf": token[1], **fields})


@pytest.fixture
def settings(tmp_path, database_url) -> Settings:
    return Settings(data=tmp_path, database_url=database_url, secret_key="k" * 32)


@pytest.fixture
async def app(settings, database_url) -> AsyncIterator[FastAPI]:
    made = create_app(settings, database_url, with_worker=False)
    async with made.router.lifespan_context(made):
        yield made


@pytest.fixture
async def open_browser(app) -> AsyncIterator[Callable[[], Awaitable[Browser]]]:
    """Opens browsers that know nothing of each other."""
    async with AsyncExitStack() as stack:

        async def make(**wanted: object) -> Browser:
            transport = httpx.ASGITransport(app, **wanted)
            return await stack.enter_async_context(Browser(transport=transport, base_url="http://127.0.0.1:8300"))

        yield make


@pytest.fixture
async def browser(open_browser) -> Browser:
    """Nobody is signed in here."""
    return await open_browser()


@pytest.fixture
async def sign_in(pool, open_browser) -> Callable[[UUID], Awaitable[Browser]]:
    """A browser in which this user is signed in."""

    async def make(user_id: UUID) -> Browser:
        opened = await open_browser()
        async with pool.connection() as connection:
            opened.cookies.set(
                "evconduit_session", await create_web_session(connection, user_id, "link"), domain="127.0.0.1"
            )
        return opened

    return make


@pytest.fixture
async def owner(database_url) -> AsyncIterator[AsyncConnection]:
    """A connection with the schema in its path, past all row security."""
    async with await AsyncConnection.connect(database_url, autocommit=True) as connection:
        await connection.execute("set search_path to evconduit")
        yield connection
