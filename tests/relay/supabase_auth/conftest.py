"""Supabase's stand-in, and the relay's client of it."""

from contextlib import AsyncExitStack
from datetime import timedelta

import httpx
import pytest
from psycopg import AsyncConnection

from relay.app import create_app
from relay.gateways.supabase import SupabaseConfig, open_supabase
from relay.identity.invitations import create_invitation, generate_invitation_code
from relay.kit.database import connect_as_relay
from relay.settings import Settings
from tests.relay.pages.conftest import Browser
from tests.relay.supabase_auth.double import ANON, SECRET, supabase_running

SITE = "http://127.0.0.1:8300"


@pytest.fixture
async def supabase():
    async with supabase_running(site="http://relay.example") as double:
        yield double


@pytest.fixture
async def client(supabase):
    async with open_supabase(SupabaseConfig(url=supabase.url, anon_key=ANON, service_role_key=SECRET)) as opened:
        yield opened


@pytest.fixture
async def cloud(tmp_path, database_url):
    """Opens the real relay in cloud mode, with a project of its own."""
    async with AsyncExitStack() as stack:

        async def make(**about):
            double = await stack.enter_async_context(supabase_running(site=SITE))
            settings = Settings(
                mode="cloud",
                data=tmp_path,
                database_url=database_url,
                secret_key="k" * 32,
                public_url=SITE,
                supabase_url=double.url,
                supabase_anon_key=ANON,
                supabase_service_role_key=SECRET,
                **about,
            )
            app = create_app(settings, database_url, with_worker=False)
            await stack.enter_async_context(app.router.lifespan_context(app))
            return Cloud(stack, app, double)

        yield make


class Cloud:
    """A relay where many people are, and the browsers that look at it."""

    def __init__(self, stack, app, supabase):
        self._stack, self.app, self.supabase = stack, app, supabase

    async def browser(self, **wanted):
        return await self._stack.enter_async_context(
            Browser(transport=httpx.ASGITransport(self.app, **wanted), base_url=SITE)
        )

    async def follow(self, browser, link):
        """Open a link that leads by way of Supabase, as a browser does, and see where it ends here."""
        return await browser.get(await self.supabase.lands(link))

    async def come_in(self, browser, email, *, by="/sign-in", **fields):
        """Ask for a link, open it; the answer at the end of it."""
        asked = await browser.submit(by, email=email, **fields)
        assert asked.status_code == 200, asked.text
        return await self.follow(browser, self.supabase.mails[-1].link)


@pytest.fixture
async def owner(database_url):
    """A connection with the schema in its path, past all row security."""
    async with await AsyncConnection.connect(database_url, autocommit=True) as connection:
        await connection.execute("set search_path to evconduit")
        yield connection


@pytest.fixture
def invite(database_url):
    """Creates an invitation and returns its code."""

    async def make(*, uses=1, good_for=timedelta(days=1)):
        code = generate_invitation_code()
        async with connect_as_relay(database_url) as connection:
            await create_invitation(connection, code, uses=uses, lifetime=good_for, note="")
        return code

    return make


@pytest.fixture
async def browser_at_home(tmp_path, database_url):
    """One that looks at a relay of one's own."""
    app = create_app(
        Settings(data=tmp_path, database_url=database_url, secret_key="k" * 32), database_url, with_worker=False
    )
    async with (
        app.router.lifespan_context(app),
        Browser(transport=httpx.ASGITransport(app), base_url=SITE) as browser,
    ):
        yield browser
