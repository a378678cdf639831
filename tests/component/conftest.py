import time
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from flows import Browser
from helpers import SetUp
from homeassistant.const import CONF_API_KEY, CONF_TOKEN, CONF_URL
from homeassistant.core import HomeAssistant
from homeassistant.helpers.aiohttp_client import async_get_clientsession
from homeassistant.setup import async_setup_component
from pytest_homeassistant_custom_component.common import MockConfigEntry
from pytest_homeassistant_custom_component.syrupy import HomeAssistantSnapshotExtension
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator
from relay_double import ACCOUNT_ID, HYUNDAI, KEY, RENAULT, TESLA, RelayDouble
from syrupy.assertion import SnapshotAssertion

# Before hass exists: Home Assistant's plugin has a package of the same name, and the first one imported wins.
from custom_components.evconduit.client import RelayClient, stream
from custom_components.evconduit.const import DOMAIN
from custom_components.evconduit.credentials import CONF_INSTALLATION


@pytest.fixture(autouse=True)
def _custom_integrations(enable_custom_integrations: None) -> None:
    pass


@pytest.fixture(autouse=True)
def _quick_reconnect(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "INITIAL_BACKOFF", timedelta(milliseconds=5))
    monkeypatch.setattr(stream, "MAX_BACKOFF", timedelta(milliseconds=20))


@pytest.fixture
def snapshot(snapshot: SnapshotAssertion) -> SnapshotAssertion:
    return snapshot.use_extension(HomeAssistantSnapshotExtension)


@pytest.fixture
async def relay(socket_enabled: None) -> AsyncIterator[RelayDouble]:
    """A relay with three cars."""
    double = RelayDouble()
    double.add(TESLA, HYUNDAI, RENAULT)
    await double.start()
    yield double
    await double.close()


@pytest.fixture
async def client(hass: HomeAssistant, relay: RelayDouble) -> RelayClient:
    async def token() -> str:
        return KEY

    return RelayClient(async_get_clientsession(hass), relay.url, token)


@pytest.fixture
def entry(hass: HomeAssistant, relay: RelayDouble) -> MockConfigEntry:
    entry = MockConfigEntry(
        domain=DOMAIN,
        version=2,
        title="Home garage",
        unique_id=ACCOUNT_ID,
        data={CONF_URL: relay.url, CONF_API_KEY: KEY},
    )
    entry.add_to_hass(hass)
    return entry


@pytest.fixture
def signed_in(hass: HomeAssistant, relay: RelayDouble) -> MockConfigEntry:
    """An entry that was signed in for."""
    token = relay.give_tokens() | {"expires_at": time.time() + relay.access_lives}
    relay.grants[ACCOUNT_ID, "home-1"] = token["refresh_token"]
    entry = MockConfigEntry(
        domain=DOMAIN,
        version=2,
        title="Home garage",
        unique_id=ACCOUNT_ID,
        data={
            CONF_URL: relay.url,
            "auth_implementation": DOMAIN,
            CONF_INSTALLATION: "home-1",
            CONF_TOKEN: token,
        },
    )
    entry.add_to_hass(hass)
    return entry


@pytest.fixture
async def browser(hass: HomeAssistant, relay: RelayDouble, hass_client_no_auth: ClientSessionGenerator) -> Browser:
    """Signs in where the flow wants it. Home Assistant is reached through its own redirect service, as most are."""
    assert await async_setup_component(hass, "auth", {})
    hass.config.components.add("my")
    return Browser(hass, relay, hass_client_no_auth)


@pytest.fixture
async def webhooks(hass: HomeAssistant, relay: RelayDouble) -> None:
    """A relay that POSTs, and a Home Assistant that it could reach."""
    relay.account["relay"]["features"] = ["charging", "stream", "webhook"]
    await hass.config.async_update(external_url="https://home.example.com")
    assert await async_setup_component(hass, "auth", {})
    assert await async_setup_component(hass, "webhook", {})


@pytest.fixture
async def set_up(hass: HomeAssistant, entry: MockConfigEntry) -> AsyncIterator[SetUp]:
    """Sets the entry up, and unloads it in the end."""

    async def run() -> MockConfigEntry:
        await hass.config_entries.async_setup(entry.entry_id)
        await hass.async_block_till_done()
        return entry

    yield run
    if hass.config_entries.async_get_entry(entry.entry_id) and entry.state.recoverable:
        await hass.config_entries.async_unload(entry.entry_id)
        await hass.async_block_till_done()
