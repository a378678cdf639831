"""Behind Home Assistant's ingress the owner is who the Supervisor let through, and nobody else gets an answer."""

import httpx
import pytest

from relay.app import create_app
from relay.kit.ingress import SUPERVISOR
from tests.relay.pages.conftest import Browser

PORT = 8399
WHO = {"X-Remote-User-Id": "0123456789abcdef0123456789abcdef", "X-Ingress-Path": "/api/hassio_ingress/a-token"}


@pytest.fixture
async def app(settings, database_url):
    made = create_app(settings.model_copy(update={"ingress_port": PORT}), database_url, work=False)
    async with made.router.lifespan_context(made):
        yield made


@pytest.fixture
def through(app):
    def make(port=PORT, client=SUPERVISOR, **headers):
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
