"""Pages behind Home Assistant's ingress: the Supervisor's user is the owner, and all other requests are refused."""

import re

import httpx
import pytest

from relay.app import create_app
from relay.identity.credentials import API_KEY_PATTERN
from relay.identity.sign_in_links import create_sign_in_link
from relay.kit.ingress import SUPERVISOR_ADDRESS
from tests.relay.pages.conftest import Browser

PORT = 8399
INGRESS_HEADERS = {
    "X-Remote-User-Id": "0123456789abcdef0123456789abcdef",
    "X-Ingress-Path": "/api/hassio_ingress/a-token",
}


@pytest.fixture
async def app(settings, database_url):
    app = create_app(settings.model_copy(update={"ingress_port": PORT}), database_url, with_worker=False)
    async with app.router.lifespan_context(app):
        yield app


@pytest.fixture
def open_through_ingress(app):
    def open_browser(port=PORT, client=SUPERVISOR_ADDRESS, **headers):
        transport = httpx.ASGITransport(app, client=(client, 5000))
        return Browser(transport=transport, base_url=f"http://relay:{port}", headers={**INGRESS_HEADERS, **headers})

    return open_browser


async def test_supervisor_user_is_the_owner(open_through_ingress, owner):
    async with open_through_ingress() as browser:
        for _ in range(2):
            assert (await browser.get("/home")).status_code == 200
    assert await (await owner.execute("select role from users")).fetchall() == [("admin",)]


async def test_all_addresses_have_the_ingress_prefix(open_through_ingress):
    async with open_through_ingress() as browser:
        page = await browser.get("/home")
        assert 'href="/api/hassio_ingress/a-token/static/style.css"' in page.text
        assert (await browser.get("/")).headers["location"] == "/api/hassio_ingress/a-token/home"
        assert "frame-ancestors 'self'" in page.headers["content-security-policy"]


async def test_forms_work_and_need_their_csrf_token(open_through_ingress):
    async with open_through_ingress() as browser:
        assert (await browser.submit("/sign-out", on="/home")).status_code == 303
        assert (await browser.post("/sign-out", data={"csrf": "0" * 64})).status_code == 403


@pytest.fixture
async def home_browser(settings, database_url):
    """A browser that opens Home Assistant over HTTP at home, while the relay's public address is HTTPS."""
    known = {"ingress_port": PORT, "public_url": "https://relay.example.org"}
    app = create_app(settings.model_copy(update=known), database_url, with_worker=False)
    prefix = INGRESS_HEADERS["X-Ingress-Path"]

    async def supervisor(scope, receive, send):
        assert scope["path"].startswith(prefix)
        path = scope["path"].removeprefix(prefix)
        inner = {**scope, "path": path, "raw_path": path.encode(), "server": ("relay", PORT)}
        await app(inner, receive, send)

    transport = httpx.ASGITransport(supervisor, client=(SUPERVISOR_ADDRESS, 5000))
    async with (
        app.router.lifespan_context(app),
        Browser(
            transport=transport, base_url=f"http://homeassistant.local:8123{prefix}", headers=INGRESS_HEADERS
        ) as browser,
    ):
        yield browser


async def test_new_key_is_shown_and_its_cookie_is_limited_to_the_ingress_path(home_browser):
    done = await home_browser.submit("/keys", name="Laptop", scopes=["read"])
    assert done.headers["location"].endswith("/keys/made")
    # Home Assistant and other add-ons share the origin, so the cookie's path must be the relay's own.
    assert [(cookie.path, cookie.secure) for cookie in home_browser.cookies.jar] == [
        (INGRESS_HEADERS["X-Ingress-Path"] + "/", False)
    ]
    assert re.search(rf">{API_KEY_PATTERN}</textarea>", (await home_browser.get("/keys/made")).text)
    assert list(home_browser.cookies.jar) == []


async def test_notices_are_shown(home_browser):
    assert (await home_browser.submit("/profile", name="Kim", language="en-US")).status_code == 303
    assert "Saved." in (await home_browser.get("/profile")).text


@pytest.mark.parametrize(
    "changed",
    [{"client": "172.30.32.3"}, {"client": "127.0.0.1"}, {"X-Remote-User-Id": ""}, {"X-Remote-User-Id": "' or 1=1"}],
)
async def test_requests_not_from_the_supervisor_are_refused(open_through_ingress, owner, changed):
    async with open_through_ingress(**changed) as browser:
        assert (await browser.get("/home")).status_code == 403
        assert (await browser.get("/api/health/ready")).status_code == 403
    assert await (await owner.execute("select count(*) from users")).fetchone() == (0,)


async def test_ingress_headers_are_ignored_on_the_public_port(open_through_ingress):
    async with open_through_ingress(port=8300) as browser:
        sent = await browser.get("/home")
        assert (sent.status_code, sent.headers["location"]) == (303, "/sign-in?next=%2Fhome")


@pytest.mark.parametrize("path", ["//evil.example", "https://evil.example", "/a/../b", "x", '/"><script>'])
async def test_invalid_ingress_prefix_is_ignored(open_through_ingress, path):
    async with open_through_ingress(**{"X-Ingress-Path": path}) as browser:
        assert 'href="/static/style.css"' in (await browser.get("/home")).text


@pytest.mark.parametrize("value", ["ingress {user}", "{user}"])
async def test_form_token_of_a_visitor_whose_cookie_names_the_ingress_user_is_refused_behind_ingress(
    open_through_ingress, owner, value
):
    link = await create_sign_in_link(owner, None)
    visit = value.format(user=INGRESS_HEADERS["X-Remote-User-Id"])
    async with open_through_ingress(port=8300) as visitor, open_through_ingress() as browser:
        page = await visitor.get(f"/sign-in/link/{link}", headers={"Cookie": f'evconduit_visit="{visit}"'})
        [token] = re.findall(r'name="csrf" value="([0-9a-f]{64})"', page.text)
        assert (await browser.post("/sign-out", data={"csrf": token})).status_code == 403


@pytest.mark.parametrize(
    ("proto", "name", "is_secure"),
    [
        ("https", "__Secure-evconduit_notice", True),
        ("HTTPS, http", "__Secure-evconduit_notice", True),
        ("http", "evconduit_notice", False),
        ("http, https", "evconduit_notice", False),
    ],
)
async def test_cookies_behind_ingress_are_secure_where_home_assistant_is_opened_by_https(
    open_through_ingress, proto, name, is_secure
):
    async with open_through_ingress(**{"X-Forwarded-Proto": proto}) as browser:
        sent = await browser.submit("/profile", name="Kim", language="en-US")
        cookie = sent.headers["set-cookie"]
        assert cookie.startswith(f"{name}=")
        assert f"Path={INGRESS_HEADERS['X-Ingress-Path']}/" in cookie
        assert ("Secure" in cookie.split("; ")) is is_secure
        shown = await browser.get("/profile", headers={"Cookie": cookie.partition(";")[0]})
        assert "Saved." in shown.text
