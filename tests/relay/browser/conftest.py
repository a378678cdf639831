"""Fixtures for browser tests: headless Chromium on a real relay, with or without JavaScript."""

import dataclasses
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
import pytest_asyncio
from fastapi import FastAPI
from playwright.async_api import Browser, Page, async_playwright

from relay.app import create_app
from relay.identity.sign_in_links import create_sign_in_link
from relay.identity.web_sessions import create_web_session, set_browser_name
from relay.kit.database import Pool, open_pool
from relay.server import open_listening_socket
from relay.settings import Settings
from relay.usecases.linking.create_link_page import create_link_page
from scripts.lib.programs import CHROMIUM
from tests.demo.enode.running_simulator import RunningSimulator, make_settings
from tests.relay.browser.fixtures import async_fixture
from tests.relay.browser.gallery import CLOUD, SELF_HOSTED, Gallery
from tests.relay.browser.household import fill_household
from tests.relay.support.plans import CLOUD as PLANS
from tests.relay.support.serving import serve_relay
from tests.relay.support.supabase.double import ANON, SECRET, serve_supabase

FOLDER = Path(__file__).parent
# The longest test takes 25 s alone, and five times as long beside a second run of all tests.
HANG_SECONDS = 600
PHONE = {"width": 360, "height": 740}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the asynchronous tests of this folder in the event loop of the session (see fixtures.py)."""
    for item in items:
        if item.path.is_relative_to(FOLDER):
            item.add_marker(pytest.mark.timeout(HANG_SECONDS))
            if pytest_asyncio.is_async_test(item):
                item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


@async_fixture(scope="module")
async def chromium() -> AsyncIterator[Browser]:
    """One browser for the tests of a module. Each test opens contexts of its own.

    Playwright loses its driver when another module uses Playwright in another event loop meanwhile.
    """
    program = next((path for name in CHROMIUM.names if (path := shutil.which(name))), None)
    if program is None:
        pytest.skip(f"{CHROMIUM.title} is not installed; {CHROMIUM.install_hint}")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield browser
        await browser.close()


@async_fixture
async def pool(database_url: str) -> AsyncIterator[Pool]:
    """The relay's pool, as in tests/relay/conftest.py but in the event loop of the session."""
    async with open_pool(database_url, size=8, min_size=1) as opened:
        yield opened


@async_fixture
async def account(make_account: Callable[..., Awaitable[Any]]) -> Any:
    """An account, as in tests/relay/conftest.py but in the event loop of the session."""
    return await make_account()


@async_fixture
async def app(tmp_path, database_url) -> FastAPI:
    settings = Settings(data=tmp_path, database_url=database_url, secret_key="k" * 32)
    return create_app(settings, database_url, with_worker=False)


@async_fixture
async def relay(app) -> AsyncIterator[str]:
    """The address of a running relay."""
    async with serve_relay(app) as url:
        yield url


@async_fixture
async def cloud(tmp_path, database_url) -> AsyncIterator[SimpleNamespace]:
    """A relay in cloud mode in which the operator approves accounts: its `url`, `app`, and `supabase`."""
    listening = open_listening_socket("127.0.0.1", 0)
    site = f"http://127.0.0.1:{listening.getsockname()[1]}"
    async with serve_supabase(site=site) as supabase:
        settings = Settings(
            mode="cloud",
            data=tmp_path,
            database_url=database_url,
            secret_key="k" * 32,
            public_url=site,
            supabase_url=supabase.url,
            supabase_anon_key=ANON,
            supabase_service_role_key=SECRET,
            registration="open",
            approval=True,
            sign_in_providers="github,google",
        )
        app = create_app(settings, database_url, with_worker=False)
        async with serve_relay(app, listening) as url:
            yield SimpleNamespace(url=url, app=app, supabase=supabase)


@pytest.fixture
def enode() -> Iterator[RunningSimulator]:
    """The simulated Enode."""
    simulator = RunningSimulator(make_settings())
    yield simulator
    simulator.close()


type OpenPage = Callable[..., Awaitable[Page]]


@async_fixture
async def open_window(chromium, pool) -> AsyncIterator[OpenPage]:
    """A function that opens a window on a site, signed in as `user`; by default phone-sized and without JavaScript."""
    async with AsyncExitStack() as stack:

        async def open_one(site: str, user: UUID | None = None, *, scripts: bool = False, **options: Any) -> Page:
            settings = {"viewport": PHONE, "locale": "en-US", "base_url": site, **options}
            context = await chromium.new_context(java_script_enabled=scripts, **settings)
            stack.push_async_callback(context.close)
            if user is not None:
                async with pool.connection() as connection:
                    session = await create_web_session(connection, user, "link")
                    await set_browser_name(connection, session, "Firefox, Linux")
                await context.add_cookies([{"name": "evconduit_session", "value": session, "url": site}])
            return await context.new_page()

        yield open_one


@pytest.fixture
def open_page(open_window, relay) -> OpenPage:
    """`open_window` on the relay of the test."""
    return partial(open_window, relay)


@async_fixture
async def users(account, make_account, pool) -> dict[str, UUID]:
    """Ids of two users: `household` has cars, installations and usage, `newcomer` has nothing yet."""
    await fill_household(pool, account.user_id)
    newcomer = (await make_account()).user_id
    async with pool.connection() as connection:
        await connection.execute("delete from vehicles where user_id = %s", [newcomer])
        await connection.execute("delete from api_keys where user_id = %s", [newcomer])
        await connection.execute("update users set email = 'noor@example.org' where id = %s", [newcomer])
    return {"household": account.user_id, "newcomer": newcomer}


@async_fixture
async def self_hosted_app(tmp_path, database_url, enode) -> FastAPI:
    """A self-hosted relay that is connected to the simulated Enode."""
    settings = Settings(
        data=tmp_path,
        database_url=database_url,
        secret_key="k" * 32,
        public_url="http://homeserver.local:8300",
        enode_client_id=enode.settings.client_id,
        enode_client_secret=enode.settings.client_secret,
        enode_base_url=enode.url,
        enode_auth_url=f"{enode.url}/oauth2/token",
    )
    return create_app(settings, database_url, with_worker=False)


@async_fixture
async def self_hosted(self_hosted_app, users, pool, open_window) -> AsyncIterator[Gallery]:
    """The gallery of the self-hosted relay, with the plan limits of a cloud relay."""
    app, plans = self_hosted_app, PLANS.override(vehicle_limits={"pro": 3})
    async with serve_relay(app) as url, pool.connection() as connection:
        app.state.runtime = dataclasses.replace(app.state.runtime, plans=plans)
        key = await (await connection.execute("select id from api_keys order by name")).fetchone()
        car = await (await connection.execute("select id from vehicles order by created_at")).fetchone()
        session = await (
            await connection.execute("select id from charging_sessions where energy_source = 'mixed'")
        ).fetchone()
        page = await create_link_page(connection, users["household"], vendor="TESLA")
        login = await create_sign_in_link(connection, None)
        ids = {"key": key[0], "car": car[0], "session": session[0]}
        path_values = users | ids | {"link": page.path.removeprefix("/link/"), "login": login}
        yield Gallery(screenshots=SELF_HOSTED, site=url, open_window=open_window, path_values=path_values)


@async_fixture
async def cloud_gallery(cloud, users, pool, open_window) -> Gallery:
    """The gallery of the cloud relay, with registration by invitation."""
    runtime = cloud.app.state.runtime
    invited = dataclasses.replace(runtime.supabase_sign_in, registration="invitation")
    cloud.app.state.runtime = dataclasses.replace(runtime, supabase_sign_in=invited)
    async with pool.connection() as connection:
        await connection.execute("update users set approved_at = null where id = %s", [users["newcomer"]])
    return Gallery(screenshots=CLOUD, site=cloud.url, open_window=open_window, path_values=users)


@pytest.fixture(params=["self_hosted", "cloud_gallery"])
def gallery(request) -> Gallery:
    """Each gallery in turn."""
    return request.getfixturevalue(request.param)
