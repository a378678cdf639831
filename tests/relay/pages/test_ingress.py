"""Behind Home Assistant's ingress the owner is who the Supervisor let through, and nobody else gets an answer."""

import re

import httpx
import pytest

from relay.app import create_app
from relay.kit.ingress import SUPERVISOR_ADDRESS
from tests.relay.pages.conftest import Browser

PORT = 8399
WHO = {"X-Remote-User-Id": "0123456789abcdef0123456789abcdef", "X-Ingress-Path": "/api/hassio_ingress/a-token"}


@pytest.fixture
async def app(settings, database_url):
    made = create_app(settings.model_copy(update={"ingress_port": PORT}), database_url, with_worker=False)
    async with made.router.lifespan_context(made):
        yield made


@pytest.fixture
def through(app):
    def make(port=PORT, client=SUPERVISOR_ADDRESS, **headers):
        transport = httpx.ASGITransport(app, client=(client, 5000))
        return Browser(transport=transport, base_url=f"http://relay:{port}", headers={**WHO, **headers})

    return make


async def test_who_the_supervisor_lets_through_is_the_owner(through, owner):
    async with through() as browser:
        for _ in range(2):
            assert (await browser.get("/home")).status_code == 200
    assert await (await owner.execute("select role from users")).fetchall() == [("admin",)]


async def test_all_addresses_lead_back_through_ingress(through):
    async with through() as browser:
        page = await browser.get("/home")
        assert 'href="/api/hassio_ingress/a-token/static/style.css"' in page.text
        assert (await browser.get("/")).headers["location"] == "/api/hassio_ingress/a-token/home"
        assert "frame-ancestors 'self'" in page.headers["content-security-policy"]


async def test_forms_work_there(through):
    async with through() as browser:
        assert (await browser.submit("/sign-out", on="/home")).status_code == 303
        assert (await browser.post("/sign-out", data={"csrf": "0" * 64})).status_code == 403


@pytest.fixture
async def household(settings, database_url):
    """A browser that opens Home Assistant over http at home, where the relay has an https address for the world."""
    known = {"ingress_port": PORT, "public_url": "https://relay.example.org"}
    app = create_app(settings.model_copy(update=known), database_url, with_worker=False)
    prefix = WHO["X-Ingress-Path"]

    async def supervisor(scope, receive, send):
        assert scope["path"].startswith(prefix)
        path = scope["path"].removeprefix(prefix)
        inner = {**scope, "path": path, "raw_path": path.encode(), "server": ("relay", PORT)}
        await app(inner, receive, send)

    transport = httpx.ASGITransport(supervisor, client=(SUPERVISOR_ADDRESS, 5000))
    async with (
        app.router.lifespan_context(app),
        Browser(transport=transport, base_url=f"http://homeassistant.local:8123{prefix}", headers=WHO) as browser,
    ):
        yield browser


async def test_a_new_key_is_shown_there_and_nobody_beside_us_gets_to_see_it(household):
    done = await household.submit("/keys", name="Laptop", scopes=["read"])
    assert done.headers["location"].endswith("/keys/made")
    # Home Assistant and other add-ons have the same origin.
    assert [(it.path, it.secure) for it in household.cookies.jar] == [(WHO["X-Ingress-Path"] + "/", False)]
    assert re.search(r">evc_[\w-]{43}</textarea>", (await household.get("/keys/made")).text)
    assert list(household.cookies.jar) == []


async def test_notices_are_told_there(household):
    assert (await household.submit("/profile", name="Kim", language="en-US")).status_code == 303
    assert "Saved." in (await household.get("/profile")).text


@pytest.mark.parametrize(
    "changed",
    [{"client": "172.30.32.3"}, {"client": "127.0.0.1"}, {"X-Remote-User-Id": ""}, {"X-Remote-User-Id": "' or 1=1"}],
)
async def test_nobody_else_gets_an_answer_there(through, owner, changed):
    async with through(**changed) as browser:
        assert (await browser.get("/home")).status_code == 403
        assert (await browser.get("/api/health/ready")).status_code == 403
    assert await (await owner.execute("select count(*) from users")).fetchone() == (0,)


async def test_on_the_other_port_ingress_headers_mean_nothing(through):
    async with through(port=8300) as browser:
        sent = await browser.get("/home")
        assert (sent.status_code, sent.headers["location"]) == (303, "/sign-in?next=%2Fhome")


@pytest.mark.parametrize("path", ["//evil.example", "https://evil.example", "/a/../b", "x", '/"><script>'])
async def test_a_prefix_that_is_none_is_none(through, path):
    async with through(**{"X-Ingress-Path": path}) as browser:
        assert 'href="/static/style.css"' in (await browser.get("/home")).text
