"""A relay below a path of its public address, behind a reverse proxy that removes the path."""

import re

import httpx
import pytest

from relay.app import create_app
from relay.identity.sign_in_links import create_sign_in_link
from relay.inbox.routes import ENODE_WEBHOOK_PATH
from tests.relay.pages.conftest import Browser
from tests.relay.support.feed import add_user

PREFIX = "/evc"
ORIGIN = "https://home.example.org"
ADDRESS = re.compile(r'(?:href|src|action)="(/[^"]*)"')


class Proxy:
    """A reverse proxy that serves the relay below PREFIX, and another site everywhere else."""

    def __init__(self, app):
        self.app = app

    async def __call__(self, scope, receive, send):
        if not scope["path"].startswith(f"{PREFIX}/"):
            await send({"type": "http.response.start", "status": 404, "headers": []})
            await send({"type": "http.response.body", "body": b"another site"})
            return
        path = scope["path"].removeprefix(PREFIX)
        await self.app({**scope, "path": path, "raw_path": path.encode()}, receive, send)


@pytest.fixture
async def app(settings, database_url):
    app = create_app(settings.model_copy(update={"public_url": ORIGIN + PREFIX}), database_url, with_worker=False)
    async with app.router.lifespan_context(app):
        yield app


@pytest.fixture
async def browser(app):
    async with Browser(transport=httpx.ASGITransport(Proxy(app)), base_url=ORIGIN) as browser:
        yield browser


@pytest.fixture
async def signed_in_browser(pool, browser):
    user = await add_user(pool)
    async with pool.connection() as connection:
        token = await create_sign_in_link(connection, user.id)
    answer = await browser.submit(f"{PREFIX}/sign-in/link/{token}")
    assert (answer.status_code, answer.headers["location"]) == (303, f"{PREFIX}/home")
    return browser


async def find_broken_addresses(browser, start):
    """Follow all links, images and styles from a page on; returns those that lead to no page of the relay."""
    waiting, seen, broken = [start], set(), []
    while waiting:
        address = waiting.pop()
        if address in seen:
            continue
        seen.add(address)
        answer = await browser.get(address)
        if answer.status_code in {302, 303, 307}:
            waiting.append(answer.headers["location"])
        elif answer.status_code == 404:
            broken.append((address, answer.status_code))
        elif answer.headers["content-type"].startswith("text/html"):
            waiting += [found for found in ADDRESS.findall(answer.text) if "sign-out" not in found]
            broken += [(address, found) for found in ADDRESS.findall(answer.text) if not found.startswith(PREFIX)]
    return seen, broken


async def test_every_address_on_every_page_is_below_the_path(signed_in_browser):
    seen, broken = await find_broken_addresses(signed_in_browser, f"{PREFIX}/")
    assert broken == []
    assert {f"{PREFIX}/{page}" for page in ("home", "keys", "profile", "installations", "api/docs")} <= seen
    files = ("style.css", "mark.svg", "page.js", "swagger-ui/swagger-ui-bundle.js")
    assert {f"{PREFIX}/static/{name}" for name in files} <= seen


async def test_visitor_is_sent_to_the_sign_in_page_below_the_path(browser):
    seen, broken = await find_broken_addresses(browser, f"{PREFIX}/keys")
    assert broken == []
    assert f"{PREFIX}/sign-in?next=%2Fkeys" in seen


async def test_forms_work(signed_in_browser):
    answer = await signed_in_browser.submit(f"{PREFIX}/sign-out", on=f"{PREFIX}/home")
    assert (answer.status_code, answer.headers["location"]) == (303, f"{PREFIX}/sign-in")


async def test_oauth_metadata_and_api_are_below_the_path(browser):
    metadata = (await browser.get(f"{PREFIX}/.well-known/oauth-authorization-server")).json()
    addresses = {key: value for key, value in metadata.items() if key.endswith("_endpoint") or key == "issuer"}
    assert all(value.startswith(ORIGIN + PREFIX) for value in addresses.values()), addresses
    assert (await browser.get(f"{PREFIX}/api/ha/v2/account")).status_code == 401
    assert (await browser.get(f"{PREFIX}/api/unknown")).json()["status"] == 404


async def test_oauth_metadata_is_also_where_rfc_8414_puts_it(browser, app):
    """Before the path of the address: a proxy that passes that address on needs no rewriting."""
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=ORIGIN) as client:
        metadata = (await client.get(f"/.well-known/oauth-authorization-server{PREFIX}")).json()
        assert metadata == (await browser.get(f"{PREFIX}/.well-known/oauth-authorization-server")).json()
        for other in ("/other", "", PREFIX + "/x"):
            answer = await client.get(f"/.well-known/oauth-authorization-server/{other}")
            assert answer.status_code == 404


async def test_relay_also_answers_without_the_proxy(app):
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1:8300") as client:
        assert (await client.get("/api/health/live")).status_code == 200


async def test_webhook_may_be_larger_than_other_bodies(browser):
    body = b"[" + b" " * 100_000 + b"]"
    assert (await browser.post(PREFIX + ENODE_WEBHOOK_PATH, content=body)).status_code == 401
    headers = {"Content-Type": "application/json"}
    too_large = await browser.post(f"{PREFIX}/api/user/link-vehicle", content=body, headers=headers)
    assert too_large.status_code == 413


async def test_cookies_below_a_path_belong_to_that_path_and_need_https(signed_in_browser):
    cookies = {cookie.name: cookie for cookie in signed_in_browser.cookies.jar}
    assert "__Secure-evconduit_session" in cookies
    assert {(cookie.path, cookie.secure) for cookie in cookies.values()} == {(f"{PREFIX}/", True)}
    assert (await signed_in_browser.get(f"{PREFIX}/home")).status_code == 200
