"""Home Assistant sends the user's browser to the consent page and gets it back with the answer, without JavaScript.

Browsers apply the form-action policy of a page to the redirects after its forms. Only a real browser shows whether the
answer reaches another site.
"""

import re
import secrets
from types import SimpleNamespace
from urllib.parse import urlencode

import httpx
import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from relay.app import create_app
from relay.server import open_listening_socket
from relay.settings import Settings
from tests.relay.browser.accessibility import find_violations
from tests.relay.browser.fixtures import async_fixture
from tests.relay.browser.test_every_page import OVERFLOWING
from tests.relay.support.serving import serve_app, serve_relay
from tests.relay.usecases.oauth.client import CLIENT, build_authorization_query

CALLBACK = "/auth/external/callback"
NAME = "Home in the woods"


@async_fixture
async def relay(tmp_path, database_url):
    """A relay that is configured with its own address, which each answer names as the issuer."""
    listening = open_listening_socket("127.0.0.1", 0)
    settings = Settings(
        data=tmp_path,
        database_url=database_url,
        secret_key="k" * 32,
        public_url=f"http://127.0.0.1:{listening.getsockname()[1]}",
    )
    async with serve_relay(create_app(settings, database_url, with_worker=False), listening) as url:
        yield url


@async_fixture
async def home_assistant():
    """A server that receives the answer: the query parameters it received, its callback address and its host."""
    received = []

    async def receive(request):
        received.append(dict(request.query_params))
        return PlainTextResponse("Welcome back to Home Assistant")

    async with serve_app(Starlette(routes=[Route(CALLBACK, receive)])) as url:
        yield SimpleNamespace(received=received, callback=url + CALLBACK, host=url.removeprefix("http://"))


@async_fixture
async def client(relay):
    """An HTTP client for what Home Assistant sends to the relay itself."""
    async with httpx.AsyncClient(base_url=relay) as client:
        yield client


def consent_address(home_assistant, verifier):
    """Return the address that Home Assistant opens in its user's browser."""
    parameters = build_authorization_query(verifier, name=NAME, redirect_uri=home_assistant.callback)
    return f"/oauth/authorize?{urlencode(parameters)}"


async def press_button(window, home_assistant, button):
    """Press the button and return the query parameters that arrive at Home Assistant."""
    await window.get_by_role("button", name=button, exact=True).click()
    await window.wait_for_url(f"{home_assistant.callback}?*")
    assert await window.get_by_text("Welcome back to Home Assistant").is_visible()
    (received,) = home_assistant.received
    return received


async def test_user_allows_and_later_disconnects_a_home_assistant(open_page, account, relay, home_assistant, client):
    verifier = secrets.token_urlsafe(48)
    window = await open_page(account.user_id)
    await window.goto(consent_address(home_assistant, verifier))
    assert NAME in await window.get_by_role("heading", level=1).inner_text()
    assert await window.get_by_text(home_assistant.host, exact=True).is_visible()

    received = await press_button(window, home_assistant, "Allow")
    assert received == {"code": received["code"], "state": "the state", "iss": relay}

    form = {"grant_type": "authorization_code", "client_id": CLIENT, "code": received["code"]}
    answer = await client.post(
        "/oauth/token", data=form | {"code_verifier": verifier, "redirect_uri": home_assistant.callback}
    )
    assert answer.status_code == 200, answer.text
    client.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
    assert (await client.get("/api/ha/v2/account")).status_code == 200

    await window.goto(f"{relay}/installations")
    card = window.get_by_role("article", name=NAME)
    assert await card.get_by_text("Home Assistant, signed in").is_visible()
    assert re.search(r"Permissions\s+read, control", await card.inner_text())
    await card.get_by_role("link", name=f"Disconnect {NAME}").click()
    await window.get_by_role("button", name="Disconnect", exact=True).click()
    assert await window.get_by_role("status").inner_text() == "The installation is disconnected."
    assert await card.count() == 0
    assert (await client.get("/api/ha/v2/account")).status_code == 401
    refresh = {"grant_type": "refresh_token", "client_id": CLIENT, "refresh_token": answer.json()["refresh_token"]}
    assert (await client.post("/oauth/token", data=refresh)).json()["error"] == "invalid_grant"


async def test_home_assistant_receives_an_error_when_the_user_cancels(open_page, account, relay, home_assistant):
    window = await open_page(account.user_id)
    await window.goto(consent_address(home_assistant, secrets.token_urlsafe(48)))
    received = await press_button(window, home_assistant, "Cancel")
    assert received == {"error": "access_denied", "state": "the state", "iss": relay}
    await window.goto(f"{relay}/installations")
    assert await window.get_by_role("article", name=NAME).count() == 0


@pytest.mark.parametrize("button", ["Allow", "Cancel"])
async def test_going_back_and_allowing_again_gives_a_new_code(open_page, account, home_assistant, button):
    window = await open_page(account.user_id)
    await window.goto(consent_address(home_assistant, secrets.token_urlsafe(48)))
    first = await press_button(window, home_assistant, button)
    home_assistant.received.clear()
    await window.go_back()
    second_callback = await press_button(window, home_assistant, "Allow")
    assert second_callback["code"] != first.get("code")


@pytest.mark.parametrize(("language", "scheme"), [("en-US", "light"), ("de-DE", "dark"), ("sv-SE", "light")])
async def test_consent_pages_have_no_accessibility_violations(open_page, account, home_assistant, language, scheme):
    window = await open_page(account.user_id, scripts=True, color_scheme=scheme, locale=language)
    for path in (consent_address(home_assistant, secrets.token_urlsafe(48)), "/oauth/authorize?client_id=other"):
        await window.goto(path)
        assert await find_violations(window) == []
        assert await window.evaluate(OVERFLOWING) == []
