"""Fixtures for page tests: the real relay, and HTTP clients that keep cookies and post forms like browsers."""

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
    """An HTTP client that keeps cookies and doesn't follow redirects."""

    async def submit(self, path: str, on: str | None = None, **fields: str | list[str]) -> httpx.Response:
        """Post a form to `path` with the CSRF token from the page `on` (default: from `path` itself)."""
        form_page = await self.get(on or path)
        token = re.search(r'name="csrf" value="([0-9a-f]{64})"', form_page.text)
        assert token, f"no form on {on or path}: {form_page.status_code}"
        return await self.post(path, data={"csrf": token[1], **fields})


@pytest.fixture
def settings(tmp_path, database_url) -> Settings:
    return Settings(data=tmp_path, database_url=database_url, secret_key="k" * 32)


@pytest.fixture
async def app(settings, database_url) -> AsyncIterator[FastAPI]:
    app = create_app(settings, database_url, with_worker=False)
    async with app.router.lifespan_context(app):
        yield app


@pytest.fixture
async def open_browser(app) -> AsyncIterator[Callable[[], Awaitable[Browser]]]:
    """A function that opens independent browsers."""
    async with AsyncExitStack() as stack:

        async def open_one(**transport_options: object) -> Browser:
            transport = httpx.ASGITransport(app, **transport_options)
            return await stack.enter_async_context(Browser(transport=transport, base_url="http://127.0.0.1:8300"))

        yield open_one


@pytest.fixture
async def browser(open_browser) -> Browser:
    """A browser in which no user is signed in."""
    return await open_browser()


@pytest.fixture
async def sign_in(pool, open_browser) -> Callable[[UUID], Awaitable[Browser]]:
    """A function that opens a browser in which the given user is signed in."""

    async def open_signed_in(user_id: UUID) -> Browser:
        opened = await open_browser()
        async with pool.connection() as connection:
            opened.cookies.set(
                "evconduit_session", await create_web_session(connection, user_id, "link"), domain="127.0.0.1"
            )
        return opened

    return open_signed_in


@pytest.fixture
async def owner(database_url) -> AsyncIterator[AsyncConnection]:
    """A connection as the schema's owner, which row-level security doesn't restrict."""
    async with await AsyncConnection.connect(database_url, autocommit=True) as connection:
        await connection.execute("set search_path to evconduit")
        yield connection
