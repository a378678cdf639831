"""A real browser without a screen on a real relay: Chromium by Playwright, scripts allowed or not."""

import dataclasses
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from functools import partial
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
from fastapi import FastAPI
from playwright.async_api import Browser, Page, async_playwright

from relay.app import create_app
from relay.identity.sign_in_links import create_sign_in_link
from relay.identity.web_sessions import create_web_session
from relay.server import open_listening_socket
from relay.settings import Settings
from relay.usecases.linking.create_link_page import create_link_page
from scripts.lib.programs import CHROMIUM
from tests.demo.enode.running import Running, new_settings
from tests.relay.browser.gallery import CLOUD, OWN, Hall
from tests.relay.browser.household import move_in
from tests.relay.supabase_auth.double import ANON, SECRET, supabase_running
from tests.relay.support.plans import CLOUD as PLANS
from tests.relay.support.serving import serving

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
    return create_app(settings, database_url, with_worker=False)


@pytest.fixture
async def relay(app) -> AsyncIterator[str]:
    """Address of a running relay."""
    async with serving(app) as url:
        yield url


@pytest.fixture
async def cloud(tmp_path, database_url) -> AsyncIterator[SimpleNamespace]:
    """A relay in cloud mode that awaits the operator's word (`url`, `app`), and its `supabase`."""
    listening = open_listening_socket("127.0.0.1", 0)
    site = f"http://127.0.0.1:{listening.getsockname()[1]}"
    async with supabase_running(site=site) as supabase:
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
        async with serving(app, listening) as url:
            yield SimpleNamespace(url=url, app=app, supabase=supabase)


@pytest.fixture
def enode() -> Iterator[Running]:
    """The simulated Enode."""
    simulator = Running(new_settings())
    yield simulator
    simulator.close()


type OpenPage = Callable[..., Awaitable[Page]]


@pytest.fixture
async def open_window(chromium, pool) -> AsyncIterator[OpenPage]:
    """Opens a window on this site, on a phone and without scripts if nothing else is said, signed in as `user`."""
    async with AsyncExitStack() as stack:

        async def make(site: str, user: UUID | None = None, *, scripts: bool = False, **wanted: Any) -> Page:
            settings = {"viewport": PHONE, "locale": "en-US", "base_url": site, **wanted}
            context = await chromium.new_context(java_script_enabled=scripts, **settings)
            stack.push_async_callback(context.close)
            if user is not None:
                async with pool.connection() as connection:
                    session = await create_web_session(connection, user, "link")
                await context.add_cookies([{"name": "evconduit_session", "value": session, "url": site}])
            return await context.new_page()

        yield make


@pytest.fixture
def open_page(open_window, relay) -> OpenPage:
    """Opens such a window on the test's relay."""
    return partial(open_window, relay)


@pytest.fixture
async def people(account, make_account, pool) -> dict[str, UUID]:
    """A household with all that one can have, and somebody who has nothing yet."""
    await move_in(pool, account.user_id)
    newcomer = (await make_account()).user_id
    async with pool.connection() as connection:
        await connection.execute("delete from vehicles where user_id = %s", [newcomer])
        await connection.execute("delete from api_keys where user_id = %s", [newcomer])
        await connection.execute("update users set email = 'noor@example.org' where id = %s", [newcomer])
    return {"household": account.user_id, "newcomer": newcomer}


@pytest.fixture
async def own_app(tmp_path, database_url, enode) -> FastAPI:
    """A relay of one's own that reaches an Enode."""
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


@pytest.fixture
async def own(own_app, people, pool, open_window) -> AsyncIterator[Hall]:
    """Its pictures, with the limits that plans have elsewhere."""
    app, plans = own_app, PLANS.override(vehicle_limits={"pro": 3})
    async with serving(app) as url, pool.connection() as connection:
        app.state.runtime = dataclasses.replace(app.state.runtime, plans=plans)
        key = await (await connection.execute("select id from api_keys order by name")).fetchone()
        car = await (await connection.execute("select id from vehicles order by created_at")).fetchone()
        page = await create_link_page(connection, people["household"], vendor="TESLA")
        login = await create_sign_in_link(connection, None)
        known = people | {"key": key[0], "car": car[0], "link": page.path.removeprefix("/link/"), "login": login}
        yield Hall(pictures=OWN, site=url, open_window=open_window, known=known)


@pytest.fixture
async def many(cloud, people, pool, open_window) -> Hall:
    """The pictures of a relay where many people are."""
    runtime = cloud.app.state.runtime
    invited = dataclasses.replace(runtime.supabase_sign_in, registration="invitation")
    cloud.app.state.runtime = dataclasses.replace(runtime, supabase_sign_in=invited)
    async with pool.connection() as connection:
        await connection.execute("update users set approved_at = null where id = %s", [people["newcomer"]])
    return Hall(pictures=CLOUD, site=cloud.url, open_window=open_window, known=people)


@pytest.fixture(params=["own", "many"])
def hall(request) -> Hall:
    """One after the other."""
    return request.getfixturevalue(request.param)
