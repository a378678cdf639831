"""A relay with a public URL: pages are served under it, and no answer repeats another `Host`."""

import re

import httpx
import pytest
from pydantic import SecretStr

from relay.app import ROUTERS, create_app
from relay.kit.ingress import SUPERVISOR_ADDRESS
from relay.pages import api_reference, site

PUBLIC = "https://relay.example.org:8443/evc"
EVIL = "evil.example"
INGRESS_PORT = 8399
INTERNAL_KEY = "the-key-of-the-monitoring"


def fill_path(path):
    return re.sub(r"\{\w+\}", "x", path)


def list_routes(routers):
    """(method, path) of each route."""
    routes = (route for router in routers for route in router.routes)
    return sorted({(method, fill_path(route.path)) for route in routes for method in route.methods})


PAGE_ROUTES = list_routes([*site.ROUTERS, api_reference.router])
OTHER_ROUTES = list_routes(ROUTERS)


@pytest.fixture
async def app(settings, database_url):
    changes = {
        "public_url": PUBLIC,
        "trusted_hosts": "relay.lan",
        "ingress_port": INGRESS_PORT,
        "internal_api_key": SecretStr(INTERNAL_KEY),
    }
    app = create_app(settings.model_copy(update=changes), database_url, with_worker=False)
    async with app.router.lifespan_context(app):
        yield app


@pytest.fixture
async def get(app):
    """A function that sends a request with a `Host`, and optionally through ingress."""

    async def send(path, host, method="GET", *, port=8300, client="203.0.113.1", **options):
        async def at_port(scope, receive, forward):
            await app({**scope, "server": ("relay", port)}, receive, forward)

        transport = httpx.ASGITransport(at_port, client=(client, 5000))
        headers = {"Host": host, "Accept": "text/html", **options.pop("headers", {})}
        async with httpx.AsyncClient(transport=transport, base_url="http://relay") as http:
            return await http.request(method, path, headers=headers, **options)

    return send


@pytest.mark.parametrize("host", [EVIL, "relay.example.org.evil.example", "relay.lan.evil.example", "192.168.1.20", ""])
async def test_page_on_another_host_redirects_to_the_public_url(get, host, caplog):
    for path in ("/", "/sign-in?next=%2Fhome", "/unknown/page", "/home/", "//evil.example/%2e%2e", "/api/docs"):
        response = await get(path, host)
        assert response.status_code == 307
        assert response.headers["location"].startswith(PUBLIC + "/")
        assert response.headers["cache-control"] == "no-store"
        assert EVIL not in response.text
    assert (await get("/sign-in?next=%2Fhome", host)).headers["location"] == PUBLIC + "/sign-in?next=%2Fhome"
    warnings = [record.getMessage() for record in caplog.records if "EVCONDUIT_TRUSTED_HOSTS" in record.getMessage()]
    assert len(warnings) == 1
    assert EVIL not in warnings[0]


async def test_form_on_another_host_is_not_processed(get):
    response = await get("/sign-in", EVIL, "POST", data={"email": "a@example.org"})
    assert (response.status_code, response.headers["location"]) == (303, PUBLIC + "/sign-in")


@pytest.mark.parametrize(
    "host",
    [
        *("relay.example.org", "RELAY.example.org:8443", "relay.example.org:443", "127.0.0.1:8300", "[::1]:8300"),
        *("localhost", "relay.lan", "relay.lan:8300"),
    ],
)
async def test_page_on_the_public_or_a_trusted_host_is_served(get, host):
    response = await get("/sign-in", host)
    assert response.status_code == 200


async def test_page_through_ingress_is_served_under_any_host(get):
    headers = {"X-Remote-User-Id": "0123456789abcdef" * 2, "X-Ingress-Path": "/api/hassio_ingress/token"}
    ingress = {"port": INGRESS_PORT, "client": SUPERVISOR_ADDRESS, "headers": headers}
    assert (await get("/home", "homeassistant.local:8123", **ingress)).status_code == 200
    response = await get("/home/", "homeassistant.local:8123", **ingress)
    assert response.headers["location"] == "/api/hassio_ingress/token/home"


async def test_duplicate_host_header_is_not_trusted(app):
    sent = []

    async def receive():
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message):
        sent.append(message)

    headers = [(b"host", b"relay.lan"), (b"host", b"evil.example")]
    scope = {"type": "http", "method": "GET", "path": "/sign-in", "query_string": b"", "headers": headers}
    await app({**scope, "server": ("relay", 8300), "client": None, "root_path": ""}, receive, send)
    assert sent[0]["status"] == 307


async def test_every_page_is_under_the_public_host(get):
    for method, path in PAGE_ROUTES:
        response = await get(path, EVIL, method)
        assert response.status_code in {303, 307}, path
        assert response.headers["location"] == PUBLIC + path


async def test_every_other_route_accepts_any_host(get):
    for method, path in OTHER_ROUTES:
        response = await get(path, EVIL, method)
        assert response.status_code not in {303, 307}, path
        assert EVIL not in response.text + str(response.headers), path
    for path in ("/api/openapi.json", "/static/style.css", "/.well-known/oauth-authorization-server"):
        assert (await get(path, EVIL)).status_code == 200
    assert (await get("/metrics", EVIL)).status_code == 401
    assert (await get("/metrics", "relay:8300", headers={"X-Internal-Api-Key": INTERNAL_KEY})).status_code == 200


@pytest.mark.parametrize("host", ["192.168.1.20:8300", "relay.lan", "homeserver", "127.0.0.1:8300", EVIL])
async def test_answers_contain_the_public_address_whichever_host_was_requested(get, host):
    metadata = (await get("/.well-known/oauth-authorization-server", host)).json()
    assert (metadata["issuer"], metadata["token_endpoint"]) == (PUBLIC, f"{PUBLIC}/oauth/token")


@pytest.mark.parametrize(
    ("host", "location"),
    [
        (EVIL, "https://relay.example.org:8443/evc/api/health/live?x=1"),
        ("relay.lan", "/evc/api/health/live?x=1"),
        ("127.0.0.1", "/evc/api/health/live?x=1"),
    ],
)
async def test_redirect_for_a_slash_never_repeats_the_host(get, host, location):
    response = await get("/api/health/live/?x=1", host)
    assert (response.status_code, response.headers["location"]) == (307, location)


@pytest.mark.parametrize("path", ["/sign-in/", "/api/health/live/", "//sign-in/", "/static"])
async def test_redirect_for_a_slash_is_relative_without_a_public_url(settings, database_url, path):
    app = create_app(settings, database_url, with_worker=False)
    async with app.router.lifespan_context(app), httpx.AsyncClient(transport=httpx.ASGITransport(app)) as client:
        response = await client.get(f"http://{EVIL}{path}")
        expected = "/static/" if path == "/static" else path.rstrip("/")
        if path.startswith("//"):
            assert response.status_code == 404
        else:
            assert (response.status_code, response.headers["location"]) == (307, expected)
        assert (await client.get(f"http://{EVIL}/api/unknown/")).status_code == 404
