"""A real browser without a screen on a real relay: Chromium by Playwright, scripts allowed or not."""

import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any
from uuid import UUID

import pytest
from fastapi import FastAPI
from playwright.async_api import Browser, Page, async_playwright

from relay.app import create_app
from relay.identity.sessions import open_session
from relay.settings import Settings
from scripts.lib.programs import CHROMIUM
from tests.relay.serving import serving

PHONE = {"width": 360, "height": 740}


@pytest.fixture
async def chromium() -> AsyncIterator[Browser]:
    program = next((found for name in CHROMIUM.names if (found := shutil.which(name))), None)
    if program is None:
        pytest.skip(f"{CHROMIUM.title} is not installed; {CHROMIUM.how}")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield browser
        await browser.close()


@pytest.fixture
async def app(tmp_path, database_url) -> FastAPI:
    settings = Settings(data=tmp_path, database_url=database_url, secret_key="k" * 32)
    return create_app(settings, database_url, work=False)


@pytest.fixture
async def relay(app) -> AsyncIterator[str]:
    """Address of a running relay."""
    async with serving(app) as url:
        yield url


type OpenPage = Callable[..., Awaitable[Page]]


@pytest.fixture
async def open_page(chromium, relay, pool) -> AsyncIterator[OpenPage]:
    """Opens a window, on a phone and without scripts if nothing else is said, signed in as `user` if given."""
    async with AsyncExitStack() as stack:

        async def make(user: UUID | None = None, *, scripts: bool = False, **wanted: Any) -> Page:
            settings = {"viewport": PHONE, "locale": "en-US", "base_url": relay, **wanted}
            context = await chromium.new_context(java_script_enabled=scripts, **settings)
            stack.push_async_callback(context.close)
            if user is not None:
                async with pool.connection() as connection:
                    session = await open_session(connection, user, "link")
                await context.add_cookies([{"name": "evconduit_session", "value": session, "url": relay}])
            return await context.new_page()

        yield make
