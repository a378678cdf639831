"""Relays in cloud mode, their database and invitations, and a self-hosted relay to compare with."""

from contextlib import AsyncExitStack
from datetime import timedelta

import httpx
import pytest
from psycopg import AsyncConnection

from relay.app import create_app
from relay.identity.invitations import create_invitation, generate_invitation_code
from relay.kit.database import connect_as_relay
from relay.settings import Settings
from tests.relay.pages.conftest import Browser
from tests.relay.support.cloud_relay import SITE, CloudRelay
from tests.relay.support.supabase.double import ANON, SECRET, serve_supabase


@pytest.fixture
async def cloud(tmp_path, database_url):
    """Function that starts the relay in cloud mode with a Supabase project of its own."""
    async with AsyncExitStack() as stack:

        async def open_cloud(**settings_fields):
            double = await stack.enter_async_context(serve_supabase(site=SITE))
            settings = Settings(
                mode="cloud",
                data=tmp_path,
                database_url=database_url,
                secret_key="k" * 32,
                public_url=SITE,
                supabase_url=double.url,
                supabase_anon_key=ANON,
                supabase_service_role_key=SECRET,
                **settings_fields,
            )
            app = create_app(settings, database_url, with_worker=False)
            await stack.enter_async_context(app.router.lifespan_context(app))
            return CloudRelay(stack, app, double)

        yield open_cloud


@pytest.fixture
async def owner(database_url):
    """A connection as the database owner, past row security."""
    async with await AsyncConnection.connect(database_url, autocommit=True) as connection:
        await connection.execute("set search_path to evconduit")
        yield connection


@pytest.fixture
def invite(database_url):
    """Function that creates an invitation and returns its code."""

    async def create(*, uses=1, lifetime=timedelta(days=1)):
        code = generate_invitation_code()
        async with connect_as_relay(database_url) as connection:
            await create_invitation(connection, code, uses=uses, lifetime=lifetime, note="")
        return code

    return create


@pytest.fixture
async def self_hosted_browser(tmp_path, database_url):
    """A browser that opens the pages of a self-hosted relay."""
    app = create_app(
        Settings(data=tmp_path, database_url=database_url, secret_key="k" * 32), database_url, with_worker=False
    )
    async with (
        app.router.lifespan_context(app),
        Browser(transport=httpx.ASGITransport(app), base_url=SITE) as browser,
    ):
        yield browser
