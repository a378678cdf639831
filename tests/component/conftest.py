import time
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from classic_helpers import Recording, Start, add_classic_vehicles
from config_flow_helpers import Browser
from helpers import SetupEntry
from homeassistant.config_entries import ConfigEntry
from homeassistant.const import CONF_API_KEY, CONF_TOKEN, CONF_URL
from homeassistant.core import HomeAssistant
from homeassistant.helpers.aiohttp_client import async_get_clientsession
from homeassistant.setup import async_setup_component
from pytest_homeassistant_custom_component.common import MockConfigEntry
from pytest_homeassistant_custom_component.syrupy import HomeAssistantSnapshotExtension
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator
from relay_double import ACCOUNT_ID, HYUNDAI, KEY, RENAULT, TESLA, RelayDouble
from syrupy.assertion import SnapshotAssertion

# Import before hass exists: Home Assistant's plugin has a package of the same name, and the first import wins.
from custom_components.evconduit import const, stream_channel
from custom_components.evconduit.client import RelayClient, stream
from custom_components.evconduit.const import DOMAIN
from custom_components.evconduit.credentials import CONF_INSTALLATION


@pytest.fixture(autouse=True)
def _custom_integrations(request: pytest.FixtureRequest) -> None:
    """Let Home Assistant find the integration. Tests of pure functions start no Home Assistant, which is slow.

    A recorder must exist before Home Assistant does.
    """
    if "recorder_mock" in request.fixturenames:
        request.getfixturevalue("recorder_mock")
    if "hass" in request.fixturenames:
        request.getfixturevalue("enable_custom_integrations")


@pytest.fixture(autouse=True)
def _quick_reconnect(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "INITIAL_BACKOFF", timedelta(milliseconds=5))
    monkeypatch.setattr(stream, "MAX_BACKOFF", timedelta(milliseconds=20))


@pytest.fixture
def short_snapshot_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let setup wait only briefly for the first snapshot of the stream."""
    monkeypatch.setattr(stream_channel, "FIRST_SNAPSHOT_TIMEOUT", timedelta(milliseconds=50))


@pytest.fixture
def snapshot(snapshot: SnapshotAssertion) -> SnapshotAssertion:
    return snapshot.use_extension(HomeAssistantSnapshotExtension)


@pytest.fixture
async def relay(socket_enabled: None) -> AsyncIterator[RelayDouble]:
    """A relay with three vehicles."""
    double = RelayDouble()
    double.add_vehicles(TESLA, HYUNDAI, RENAULT)
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
def oauth_entry(hass: HomeAssistant, relay: RelayDouble) -> MockConfigEntry:
    """An entry with OAuth tokens."""
    token = relay.issue_tokens() | {"expires_at": time.time() + relay.access_token_lifetime}
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
    """A browser that signs in. It returns through My Home Assistant, as for most users."""
    assert await async_setup_component(hass, "auth", {})
    hass.config.components.add("my")
    return Browser(hass, relay, hass_client_no_auth)


@pytest.fixture
async def webhook_supported(hass: HomeAssistant, relay: RelayDouble) -> None:
    """A relay that supports webhooks, and a Home Assistant with an external URL."""
    relay.account["relay"]["features"] = ["charging", "stream", "webhook"]
    await hass.config.async_update(external_url="https://home.example.com")
    assert await async_setup_component(hass, "auth", {})
    assert await async_setup_component(hass, "webhook", {})


@pytest.fixture
async def setup_entry(hass: HomeAssistant, entry: MockConfigEntry) -> AsyncIterator[SetupEntry]:
    """Sets up the entry, and unloads it after the test."""

    async def run() -> MockConfigEntry:
        await hass.config_entries.async_setup(entry.entry_id)
        await hass.async_block_till_done()
        return entry

    yield run
    if hass.config_entries.async_get_entry(entry.entry_id) and entry.state.recoverable:
        await hass.config_entries.async_unload(entry.entry_id)
        await hass.async_block_till_done()


@pytest.fixture
def recording() -> Recording:
    return Recording()


@pytest.fixture
async def start_classic(
    hass: HomeAssistant,
    relay: RelayDouble,
    recording: Recording,
    hass_storage: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[Start]:
    """Starts Home Assistant with the recorded registries, and unloads what was loaded after the test."""
    monkeypatch.setattr(const, "DEFAULT_URL", relay.url)
    add_classic_vehicles(relay)

    async def run() -> list[ConfigEntry]:
        await recording.async_load(hass, hass_storage)
        assert await async_setup_component(hass, DOMAIN, {})
        await hass.async_block_till_done()
        return hass.config_entries.async_entries(DOMAIN)

    yield run
    for entry in hass.config_entries.async_entries(DOMAIN):
        if entry.state.recoverable:
            await hass.config_entries.async_unload(entry.entry_id)
    await hass.async_block_till_done()
