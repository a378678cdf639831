"""The webhook is registered with the relay, updated after changes, and removed with the entry."""

from types import SimpleNamespace
from typing import Any

import pytest
from freezegun.api import FrozenDateTimeFactory
from helpers import SetupEntry, advance_time, wait_until
from homeassistant.const import CONF_WEBHOOK_ID
from homeassistant.core import HomeAssistant
from homeassistant.helpers.dispatcher import async_dispatcher_send
from homeassistant.setup import async_setup_component
from pytest_homeassistant_custom_component.common import MockConfigEntry
from pytest_homeassistant_custom_component.components.diagnostics import get_diagnostics_for_config_entry
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator
from relay_double import SECRET, Problem, RelayDouble, make_account

from custom_components.evconduit import webhook_registration
from custom_components.evconduit.webhook_registration import CONF_SECRET

pytestmark = pytest.mark.usefixtures("webhook_supported")

CLOUDHOOK = "https://hooks.example.com/abc"


def get_registered_url(relay: RelayDouble) -> str | None:
    return relay.endpoint["url"] if relay.endpoint else None


def get_external_url(entry: MockConfigEntry, host: str = "home.example.com") -> str:
    return f"https://{host}/api/webhook/{entry.data[CONF_WEBHOOK_ID]}"


class CloudDouble:
    """A test double of Nabu Casa's client, as far as Home Assistant's cloud component uses it."""

    def __init__(self, *, connected: bool = True) -> None:
        self.is_logged_in = True
        self.subscription_expired = False
        self.iot = SimpleNamespace(connected=connected)
        self.hooks: dict[str, Any] = {}
        self.client = SimpleNamespace(cloudhooks=self.hooks)
        self.cloudhooks = self

    async def async_create(self, webhook_id: str, *_: object) -> dict[str, Any]:
        self.hooks[webhook_id] = {"cloudhook_url": CLOUDHOOK}
        return self.hooks[webhook_id]

    async def async_delete(self, webhook_id: str) -> None:
        if webhook_id not in self.hooks:
            raise ValueError("Hook is not enabled for the cloud.")
        del self.hooks[webhook_id]


@pytest.fixture
def cloud(hass: HomeAssistant) -> CloudDouble:
    cloud = CloudDouble()
    hass.data["cloud"] = cloud
    hass.config.components.add("cloud")
    return cloud


def set_cloud_connected(hass: HomeAssistant, cloud: CloudDouble, *, connected: bool) -> None:
    from homeassistant.components.cloud import SIGNAL_CLOUD_CONNECTION_STATE, CloudConnectionState  # noqa: PLC0415 - slow to import; few tests want it

    cloud.iot.connected = connected
    state = CloudConnectionState.CLOUD_CONNECTED if connected else CloudConnectionState.CLOUD_DISCONNECTED
    async_dispatcher_send(hass, SIGNAL_CLOUD_CONNECTION_STATE, state)


async def test_external_url_is_registered(relay: RelayDouble, setup_entry: SetupEntry):
    entry = await setup_entry()
    await wait_until(lambda: relay.endpoint)
    assert get_registered_url(relay) == get_external_url(entry)
    assert len(entry.data[CONF_WEBHOOK_ID]) == 64
    await wait_until(lambda: entry.data.get(CONF_SECRET) == SECRET)


async def test_reload_keeps_the_webhook_id(hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry):
    entry = await setup_entry()
    await wait_until(lambda: relay.endpoint)
    before = get_registered_url(relay)
    relay.endpoint = None
    await hass.config_entries.async_reload(entry.entry_id)
    await wait_until(lambda: relay.endpoint)
    assert get_registered_url(relay) == before


@pytest.mark.parametrize(
    "relay_account",
    [
        make_account(),
        make_account(push=False, relay={"version": "0.1.0", "features": ["webhook"]}),
        make_account(relay={}),
    ],
)
async def test_nothing_is_registered_without_feature_or_push(
    relay: RelayDouble, setup_entry: SetupEntry, relay_account: dict[str, Any]
):
    relay.account = relay_account
    entry = await setup_entry()
    await entry.runtime_data.client.get_account()
    assert relay.get_requests("/endpoint") == []
    assert CONF_WEBHOOK_ID not in entry.data


async def test_gained_feature_registers_the_webhook(relay: RelayDouble, setup_entry: SetupEntry):
    supported = relay.account["relay"]
    relay.account["relay"] = {"version": "0.1.0", "features": []}
    await setup_entry()
    relay.account["relay"] = supported
    relay.send("account", relay.account)
    await wait_until(lambda: relay.endpoint)


async def test_changed_external_url_is_registered(hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry):
    entry = await setup_entry()
    await wait_until(lambda: relay.endpoint)
    await hass.config.async_update(external_url="https://moved.example.com")
    await wait_until(lambda: get_registered_url(relay) == get_external_url(entry, "moved.example.com"))
    await hass.config.async_update(external_url=None)
    await wait_until(lambda: relay.endpoint is None)
    await wait_until(lambda: CONF_SECRET not in entry.data)


async def test_other_configuration_changes_register_nothing(
    hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry
):
    await setup_entry()
    await wait_until(lambda: relay.endpoint)
    await hass.config.async_update(location_name="Elsewhere")
    await wait_until(lambda: [request.method for request in relay.get_requests("/endpoint")] == ["PUT", "GET"])


async def test_nothing_is_registered_without_external_url(
    hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry
):
    await hass.config.async_update(external_url=None)
    entry = await setup_entry()
    await wait_until(lambda: entry.runtime_data.coordinator.is_streaming)
    assert relay.get_requests("/endpoint") == []


async def test_cloudhook_is_preferred(relay: RelayDouble, setup_entry: SetupEntry, cloud: CloudDouble):
    await setup_entry()
    await wait_until(lambda: get_registered_url(relay) == CLOUDHOOK)


async def test_cloud_connection_changes_update_the_registration(
    hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry, cloud: CloudDouble
):
    cloud.iot.connected = False
    entry = await setup_entry()
    await wait_until(lambda: get_registered_url(relay) == get_external_url(entry))
    set_cloud_connected(hass, cloud, connected=True)
    await wait_until(lambda: get_registered_url(relay) == CLOUDHOOK)
    set_cloud_connected(hass, cloud, connected=False)
    await wait_until(lambda: relay.get_requests("/endpoint")[-1].method == "GET")
    assert get_registered_url(relay) == CLOUDHOOK  # the cloud will reconnect, and the relay retries
    cloud.subscription_expired = True
    set_cloud_connected(hass, cloud, connected=False)
    await wait_until(lambda: get_registered_url(relay) == get_external_url(entry))


async def test_cloud_failure_is_retried(
    hass: HomeAssistant,
    relay: RelayDouble,
    setup_entry: SetupEntry,
    cloud: CloudDouble,
    monkeypatch: pytest.MonkeyPatch,
):
    async def raise_error(*_: object) -> dict[str, Any]:
        raise RuntimeError("cloud failure")

    monkeypatch.setattr(cloud, "async_create", raise_error)
    entry = await setup_entry()
    await wait_until(lambda: entry.runtime_data.webhook.get_diagnostics()["failure"] == "RuntimeError")
    assert relay.endpoint is None
    monkeypatch.undo()
    set_cloud_connected(hass, cloud, connected=True)
    await wait_until(lambda: get_registered_url(relay) == CLOUDHOOK)
    await wait_until(lambda: entry.runtime_data.webhook.get_diagnostics()["failure"] is None)


@pytest.mark.parametrize("is_deleted", [True, False])
async def test_lost_or_disabled_endpoint_is_registered_again(
    relay: RelayDouble, setup_entry: SetupEntry, *, is_deleted: bool
):
    await setup_entry()
    await wait_until(lambda: relay.endpoint)
    relay.endpoint = None if is_deleted else relay.endpoint | {"state": "off"}
    relay.break_streams()
    await wait_until(lambda: relay.endpoint and relay.endpoint["state"] == "on")


@pytest.mark.parametrize(
    ("problem", "failure", "wait"),
    [
        (Problem(503, "unavailable"), "TryAgainError", webhook_registration.RETRY_DELAY),
        (Problem(422, "endpoint-refused"), "EndpointRefusedError", webhook_registration.CHECK_INTERVAL),
    ],
)
async def test_refused_registration_does_not_break_setup(
    hass: HomeAssistant,
    relay: RelayDouble,
    setup_entry: SetupEntry,
    *,
    freezer: FrozenDateTimeFactory,
    problem,
    failure,
    wait,
):
    with relay.failing("endpoint", with_=problem):
        entry = await setup_entry()
        assert entry.runtime_data.coordinator.is_streaming
        await wait_until(lambda: entry.runtime_data.webhook.get_diagnostics()["failure"] == failure)
    await advance_time(hass, freezer, wait * 0.9)
    assert relay.endpoint is None
    await advance_time(hass, freezer, wait * 0.2)
    await wait_until(lambda: relay.endpoint)
    await wait_until(lambda: entry.runtime_data.webhook.get_diagnostics()["failure"] is None)


async def test_removed_entry_deletes_endpoint_and_cloudhook(
    hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry, cloud: CloudDouble
):
    entry = await setup_entry()
    await wait_until(lambda: entry.data.get(CONF_SECRET))
    assert cloud.hooks
    await hass.config_entries.async_unload(entry.entry_id)
    assert relay.endpoint is not None
    await hass.config_entries.async_remove(entry.entry_id)
    assert relay.endpoint is None
    assert cloud.hooks == {}


async def test_entry_can_be_removed_while_the_relay_is_down(
    hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry
):
    entry = await setup_entry()
    await wait_until(lambda: entry.data.get(CONF_SECRET))
    await relay.close()
    await hass.config_entries.async_remove(entry.entry_id)
    assert hass.config_entries.async_get_entry(entry.entry_id) is None


async def test_diagnostics_contain_neither_address_nor_secret(
    hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry, hass_client: ClientSessionGenerator
):
    entry = await setup_entry()
    await wait_until(lambda: entry.data.get(CONF_SECRET))
    assert await async_setup_component(hass, "diagnostics", {})
    diagnostics = await get_diagnostics_for_config_entry(hass, hass_client, entry)
    assert diagnostics["webhook"]["registered_via"] == "external_url"
    text = str(diagnostics)
    assert [value for value in (SECRET, entry.data[CONF_WEBHOOK_ID], "home.example.com") if value in text] == []
