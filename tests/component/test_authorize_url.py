"""How the relay's metadata shows whether it supports signing in, and on which page."""

from http import HTTPStatus
from typing import Any

import pytest
from homeassistant.core import HomeAssistant
from homeassistant.helpers.aiohttp_client import async_get_clientsession
from pytest_homeassistant_custom_component.test_util.aiohttp import AiohttpClientMocker

from custom_components.evconduit.client import (
    RelayConnectionError,
    RelayError,
    TryAgainError,
    UnsupportedRelayError,
    find_authorize_url,
    get_token_url,
)

RELAY = "https://relay.example/base"
METADATA = f"{RELAY}/.well-known/oauth-authorization-server"
ACCOUNT = f"{RELAY}/api/ha/v2/account"
FROM_RELAY = {"X-EVConduit-Relay": "0.1.0"}
PAGE = "https://login.example/oauth/authorize"


@pytest.fixture
def refusing_account(aioclient_mock: AiohttpClientMocker) -> None:
    """A relay with API v2, which refuses a request without credential."""
    aioclient_mock.get(ACCOUNT, status=HTTPStatus.UNAUTHORIZED, headers=FROM_RELAY)


def mock_metadata(aioclient_mock: AiohttpClientMocker, *, url: str = METADATA, **changes: Any) -> None:
    metadata = {"authorization_endpoint": PAGE, "code_challenge_methods_supported": ["plain", "S256"]} | changes
    aioclient_mock.get(url, json=metadata, headers=FROM_RELAY)


async def find_page(hass: HomeAssistant, url: str = RELAY) -> str | None:
    return await find_authorize_url(async_get_clientsession(hass), url)


@pytest.mark.parametrize(
    ("relay", "page"),
    [
        (RELAY, PAGE),
        (RELAY, "https://relay.example:8443/base/oauth/authorize?tenant=1"),
        ("http://192.168.1.20:8300", "http://192.168.1.20:8300/oauth/authorize"),
        ("http://192.168.1.20:8300", PAGE),
    ],
)
async def test_page_of_the_metadata_is_used(
    hass: HomeAssistant, aioclient_mock: AiohttpClientMocker, *, relay: str, page: str
):
    mock_metadata(aioclient_mock, url=f"{relay}/.well-known/oauth-authorization-server", authorization_endpoint=page)
    assert await find_page(hass, relay) == page


@pytest.mark.usefixtures("refusing_account")
@pytest.mark.parametrize(
    "changes",
    [
        {"code_challenge_methods_supported": ["plain"]},
        {"code_challenge_methods_supported": None},
        {"authorization_endpoint": None},
        {"authorization_endpoint": "http://login.example/oauth/authorize"},  # a relay with https needs a page with it
        {"authorization_endpoint": "https://user@login.example/oauth/authorize"},
        {"authorization_endpoint": "https:///oauth/authorize"},
        {"authorization_endpoint": "javascript:alert(1)"},
    ],
)
async def test_unusable_metadata_leaves_only_the_api_key(
    hass: HomeAssistant, aioclient_mock: AiohttpClientMocker, changes: dict[str, Any]
):
    mock_metadata(aioclient_mock, **changes)
    assert await find_page(hass) is None


@pytest.mark.usefixtures("refusing_account")
@pytest.mark.parametrize(
    "response",
    [
        {"status": HTTPStatus.NOT_FOUND, "headers": FROM_RELAY},
        {"status": HTTPStatus.NOT_FOUND},
        {"status": HTTPStatus.OK, "text": "<html>"},
        {"status": HTTPStatus.OK, "text": "<html>", "headers": FROM_RELAY},
        {"status": HTTPStatus.FORBIDDEN},
    ],
)
async def test_missing_metadata_leaves_only_the_api_key(
    hass: HomeAssistant, aioclient_mock: AiohttpClientMocker, response: dict[str, Any]
):
    aioclient_mock.get(METADATA, **response)
    assert await find_page(hass) is None


@pytest.mark.parametrize(
    ("response", "error"),
    [
        ({"status": HTTPStatus.UNAUTHORIZED}, UnsupportedRelayError),
        ({"status": HTTPStatus.NOT_FOUND, "headers": FROM_RELAY}, UnsupportedRelayError),
        ({"status": HTTPStatus.OK, "headers": FROM_RELAY}, UnsupportedRelayError),
        ({"status": HTTPStatus.OK}, UnsupportedRelayError),
        ({"status": HTTPStatus.INTERNAL_SERVER_ERROR, "headers": FROM_RELAY}, RelayError),
        ({"status": HTTPStatus.SERVICE_UNAVAILABLE, "headers": FROM_RELAY}, TryAgainError),
        ({"status": HTTPStatus.BAD_GATEWAY}, RelayConnectionError),
    ],
)
async def test_server_without_metadata_must_be_a_relay(
    hass: HomeAssistant, aioclient_mock: AiohttpClientMocker, response: dict[str, Any], error: type[RelayError]
):
    aioclient_mock.get(METADATA, status=HTTPStatus.NOT_FOUND)
    aioclient_mock.get(ACCOUNT, **response)
    with pytest.raises(RelayError) as raised:
        await find_page(hass)
    assert type(raised.value) is error


@pytest.mark.parametrize("status", [HTTPStatus.BAD_GATEWAY, HTTPStatus.SERVICE_UNAVAILABLE])
async def test_relay_that_is_down_is_not_taken_for_one_without_sign_in(
    hass: HomeAssistant, aioclient_mock: AiohttpClientMocker, status: HTTPStatus
):
    aioclient_mock.get(METADATA, status=status)
    with pytest.raises(RelayConnectionError):
        await find_page(hass)
    assert len(aioclient_mock.mock_calls) == 1


def test_tokens_are_requested_at_the_address_that_the_user_entered():
    assert get_token_url(RELAY) == "https://relay.example/base/oauth/token"
