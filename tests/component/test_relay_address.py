"""The address that a user types leads to the relay, or to an error that says what is wrong with it."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from config_flow_helpers import Browser, open_method_menu, open_url_form, remove_entries, submit_form
from homeassistant.config_entries import ConfigEntryState
from homeassistant.const import CONF_URL
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
from relay_double import TESLA, RelayDouble

from custom_components.evconduit.client import list_relay_urls

type Redirect = Callable[[web.Request], str]


@pytest.mark.parametrize(
    ("text", "urls"),
    [
        ("https://relay.example/a/", ["https://relay.example/a"]),
        ("http://relay.example", ["http://relay.example"]),
        ("relay.example", ["https://relay.example"]),
        (" Relay.Example/evconduit/ ", ["https://relay.example/evconduit"]),
        ("relay.example:8300", ["https://relay.example:8300"]),
        ("8.8.8.8:8300", ["https://8.8.8.8:8300"]),
        ("192.168.1.20:8300", ["https://192.168.1.20:8300", "http://192.168.1.20:8300"]),
        ("localhost:8300", ["https://localhost:8300", "http://localhost:8300"]),
        ("[fe80::1]:8300", ["https://[fe80::1]:8300", "http://[fe80::1]:8300"]),
        ("homeassistant.local", ["https://homeassistant.local", "http://homeassistant.local"]),
        ("nas", ["https://nas", "http://nas"]),
    ],
)
def test_address_without_scheme_is_tried_without_tls_only_in_a_local_network(text: str, urls: list[str]):
    assert list(list_relay_urls(text)) == urls


@pytest.mark.parametrize("text", ["", " ", "/relay", "relay.example:port", "user@relay.example", "ftp://relay.example"])
def test_other_text_is_no_address(text: str):
    with pytest.raises(ValueError, match=r".+"):
        list_relay_urls(text)


async def open_flow(hass: HomeAssistant, url: str) -> dict[str, Any]:
    return dict(await submit_form(hass, await open_url_form(hass), url=url))


async def test_address_without_scheme_works(hass: HomeAssistant, relay: RelayDouble):
    menu = await open_flow(hass, relay.url.removeprefix("http://"))
    assert (menu["type"], menu["description_placeholders"]) == (FlowResultType.MENU, {"address": relay.url})


@pytest.fixture
async def relay_below_path(socket_enabled: None) -> AsyncIterator[RelayDouble]:
    double = RelayDouble(path="/evc")
    double.add_vehicles(TESLA)
    await double.start()
    yield double
    await double.close()


async def test_relay_below_a_path_is_signed_in_to_and_used_below_that_path(
    hass: HomeAssistant, relay_below_path: RelayDouble, browser: Browser
):
    relay = browser._relay = relay_below_path
    result = await browser.sign_in(await open_method_menu(hass, relay))
    assert (result["type"], result["result"].state) == (FlowResultType.CREATE_ENTRY, ConfigEntryState.LOADED)
    assert result["result"].data[CONF_URL] == relay.url
    assert relay.url.endswith("/evc")
    assert len(relay.streams) == 1
    assert {request.path.split("/")[1] for request in relay.requests} == {"evc"}
    await remove_entries(hass)
    assert relay.get_requests("/evc/oauth/revoke")


async def test_local_address_without_scheme_at_which_nothing_responds_is_invalid(
    hass: HomeAssistant, relay: RelayDouble
):
    await relay.close()
    form = await open_flow(hass, relay.url.removeprefix("http://"))
    assert form["errors"] == {CONF_URL: "invalid_url"}


@pytest.fixture
async def redirector(relay: RelayDouble) -> AsyncIterator[Callable[[Redirect], Any]]:
    """Starts servers that redirect each request."""
    servers: list[TestServer] = []

    async def start(get_location: Redirect, status: int = 301) -> str:
        async def redirect(request: web.Request) -> web.Response:
            location = get_location(request)
            return web.Response(status=status, headers={"Location": location} if location else {})

        app = web.Application()
        app.router.add_route("*", "/{path:.*}", redirect)
        server = TestServer(app, host="127.0.0.1")
        servers.append(server)
        await server.start_server(shutdown_timeout=0.1)
        return str(server.make_url("/")).rstrip("/")

    yield start
    for server in servers:
        await server.close()


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("prefix", ["", "/old"])
async def test_redirect_to_a_relay_is_followed(
    hass: HomeAssistant, relay: RelayDouble, *, redirector, status: int, prefix: str
):
    """For example, from http to https, or to the address without `www`."""
    url = await redirector(lambda request: relay.url + request.path.removeprefix(prefix), status)
    menu = await open_flow(hass, url + prefix)
    assert (menu["type"], menu["description_placeholders"]) == (FlowResultType.MENU, {"address": relay.url})


@pytest.mark.parametrize(
    ("location", "shown"),
    [
        ("https://login.example.com/sign-in?token=secret", "https://login.example.com"),
        ("https://login.example.com/?next=/.well-known/oauth-authorization-server", "https://login.example.com"),
        ("ftp://relay.example/.well-known/oauth-authorization-server", "?"),
        ("", "?"),
    ],
)
async def test_redirect_to_anything_else_is_named(
    hass: HomeAssistant, relay: RelayDouble, *, redirector, location: str, shown: str
):
    form = await open_flow(hass, await redirector(lambda _: location))
    assert form["errors"] == {"base": "redirected"}
    assert form["description_placeholders"]["location"] == shown
    assert (await submit_form(hass, form, url=relay.url))["type"] is FlowResultType.MENU


async def test_endless_redirect_is_an_error(hass: HomeAssistant, redirector):
    form = await open_flow(hass, await redirector(lambda request: str(request.url)))
    assert form["errors"] == {"base": "redirected"}


async def test_credential_is_not_sent_to_where_a_relay_redirects(hass: HomeAssistant, relay: RelayDouble, redirector):
    """The relay's address is found without a credential; after that, redirects are errors."""
    url = await redirector(lambda request: relay.url + request.path)
    await open_flow(hass, url)
    assert [request.headers.get("Authorization") for request in relay.requests] == [None]


async def test_https_for_a_server_without_tls_is_named(hass: HomeAssistant, relay: RelayDouble):
    form = await open_flow(hass, relay.url.replace("http:", "https:"))
    assert form["errors"] == {"base": "no_tls"}
    assert (await submit_form(hass, form, url=relay.url))["type"] is FlowResultType.MENU
