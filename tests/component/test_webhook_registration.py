"""The relay knows where to POST: first, after each change, and no longer when the entry goes."""

from types import SimpleNamespace
from typing import Any

import pytest
from freezegun.api import FrozenDateTimeFactory
from helpers import SetUp, eventually, pass_time
from homeassistant.const import CONF_WEBHOOK_ID
from homeassistant.core import HomeAssistant
from homeassistant.helpers.dispatcher import async_dispatcher_send
from homeassistant.setup import async_setup_component
from pytest_homeassistant_custom_component.common import MockConfigEntry
from pytest_homeassistant_custom_component.components.diagnostics import get_diagnostics_for_config_entry
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator
from relay_double import SECRET, Problem, RelayDouble, account

from custom_components.evconduit import webhook_registration
from custom_components.evconduit.webhook_registration import CONF_SECRET

pytestmark = pytest.mark.usefixtures("webhooks")

CLOUDHOOK = "https://hooks.example.com/abc"


def posts_to(relay: RelayDouble) -> str | None:
    return relay.endpoint["url"] if relay.endpoint else None


def external(entry: MockConfigEntry, host: str = "home.example.com") -> str:
    return f"https://{host}/api/webhook/{entry.data[CONF_WEBHOOK_ID]}"


class Cloud:
    """Nabu Casa's client, as far as Home Assistant's cloud component asks it here."""

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
def cloud(hass: HomeAssistant) -> Cloud:
    cloud = Cloud()
    hass.data["cloud"] = cloud
    hass.config.components.add("cloud")
    return cloud


def connection_changes(hass: HomeAssistant, cloud: Cloud, *, connected: bool) -> None:
    from homeassistant.components.cloud import SIGNAL_CLOUD_CONNECTION_STATE, CloudConnectionState  # noqa: PLC0415 - slow to import; few tests want it

    cloud.iot.connected = connected
    state = CloudConnectionState.CLOUD_CONNECTED if connected else CloudConnectionState.CLOUD_DISCONNECTED
    async_dispatcher_send(hass, SIGNAL_CLOUD_CONNECTION_STATE, state)


async def test_the_external_url_is_registered(relay: RelayDouble, set_up: SetUp):
    entry = await set_up()
    await eventually(lambda: relay.endpoint)
    assert posts_to(relay) == external(entry)
    assert len(entry.data[CONF_WEBHOOK_ID]) == 64
    await eventually(lambda: entry.data.get(CONF_SECRET) == SECRET)


async def test_a_reload_keeps_the_id(hass: HomeAssistant, relay: RelayDouble, set_up: SetUp):
    entry = await set_up()
    await eventually(lambda: relay.endpoint)
    before = posts_to(relay)
    relay.endpoint = None
    await hass.config_entries.async_reload(entry.entry_id)
    await eventually(lambda: relay.endpoint)
    assert posts_to(relay) == before


@pytest.mark.parametrize(
    "relay_account",
    [account(), account(push=False, relay={"version": "0.1.0", "features": ["webhook"]}), account(relay={})],
)
async def test_an_older_relay_or_a_plan_without_push_is_not_asked(
    relay: RelayDouble, set_up: SetUp, relay_account: dict[str, Any]
):
    relay.account = relay_account
    entry = await set_up()
    await entry.runtime_data.client.get_account()
    assert relay.asked("/endpoint") == []
    assert CONF_WEBHOOK_ID not in entry.data


async def test_a_relay_that_learns_it_is_told(relay: RelayDouble, set_up: SetUp):
    knows = relay.account["relay"]
    relay.account["relay"] = {"version": "0.1.0", "features": []}
    await set_up()
    relay.account["relay"] = knows
    relay.say("account", relay.account)
    await eventually(lambda: relay.endpoint)


async def test_another_external_url_is_registered(hass: HomeAssistant, relay: RelayDouble, set_up: SetUp):
    entry = await set_up()
    await eventually(lambda: relay.endpoint)
    await hass.config.async_update(external_url="https://moved.example.com")
    await eventually(lambda: posts_to(relay) == external(entry, "moved.example.com"))
    await hass.config.async_update(external_url=None)
    await eventually(lambda: relay.endpoint is None)
    await eventually(lambda: CONF_SECRET not in entry.data)


async def test_another_change_of_the_configuration_registers_nothing(
    hass: HomeAssistant, relay: RelayDouble, set_up: SetUp
):
    await set_up()
    await eventually(lambda: relay.endpoint)
    await hass.config.async_update(location_name="Elsewhere")
    await eventually(lambda: [it.method for it in relay.asked("/endpoint")] == ["PUT", "GET"])


async def test_no_address_at_all_is_fine(hass: HomeAssistant, relay: RelayDouble, set_up: SetUp):
    await hass.config.async_update(external_url=None)
    entry = await set_up()
    await eventually(lambda: entry.runtime_data.coordinator.is_streaming)
    assert relay.asked("/endpoint") == []


async def test_the_cloudhook_comes_first(relay: RelayDouble, set_up: SetUp, cloud: Cloud):
    await set_up()
    await eventually(lambda: posts_to(relay) == CLOUDHOOK)


async def test_the_cloud_connects_and_the_subscription_ends(
    hass: HomeAssistant, relay: RelayDouble, set_up: SetUp, cloud: Cloud
):
    cloud.iot.connected = False
    entry = await set_up()
    await eventually(lambda: posts_to(relay) == external(entry))
    connection_changes(hass, cloud, connected=True)
    await eventually(lambda: posts_to(relay) == CLOUDHOOK)
    connection_changes(hass, cloud, connected=False)
    await eventually(lambda: relay.asked("/endpoint")[-1].method == "GET")
    assert posts_to(relay) == CLOUDHOOK  # it will be back, and the relay tries again
    cloud.subscription_expired = True
    connection_changes(hass, cloud, connected=False)
    await eventually(lambda: posts_to(relay) == external(entry))


async def test_a_cloud_that_fails_is_tried_again(
    hass: HomeAssistant, relay: RelayDouble, set_up: SetUp, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
):
    async def broken(*_: object) -> dict[str, Any]:
        raise RuntimeError("the cloud is on strike")

    monkeypatch.setattr(cloud, "async_create", broken)
    entry = await set_up()
    await eventually(lambda: entry.runtime_data.webhook.get_diagnostics()["failure"] == "RuntimeError")
    assert relay.endpoint is None
    monkeypatch.undo()
    connection_changes(hass, cloud, connected=True)
    await eventually(lambda: posts_to(relay) == CLOUDHOOK)
    await eventually(lambda: entry.runtime_data.webhook.get_diagnostics()["failure"] is None)


@pytest.mark.parametrize("forgotten", [True, False])
async def test_a_relay_that_has_switched_it_off_or_forgotten_it_is_told_again(
    relay: RelayDouble, set_up: SetUp, *, forgotten: bool
):
    await set_up()
    await eventually(lambda: relay.endpoint)
    relay.endpoint = None if forgotten else relay.endpoint | {"state": "off"}
    relay.break_streams()
    await eventually(lambda: relay.endpoint and relay.endpoint["state"] == "on")


@pytest.mark.parametrize(
    ("problem", "failure", "wait"),
    [
        (Problem(503, "unavailable"), "TryAgainError", webhook_registration.RETRY_DELAY),
        (Problem(422, "endpoint-refused"), "EndpointRefusedError", webhook_registration.CHECK_INTERVAL),
    ],
)
async def test_a_relay_that_refuses_does_not_break_the_set_up(
    hass: HomeAssistant, relay: RelayDouble, set_up: SetUp, *, freezer: FrozenDateTimeFactory, problem, failure, wait
):
    with relay.failing("endpoint", with_=problem):
        entry = await set_up()
        assert entry.runtime_data.coordinator.is_streaming
        await eventually(lambda: entry.runtime_data.webhook.get_diagnostics()["failure"] == failure)
    await pass_time(hass, freezer, wait * 0.9)
    assert relay.endpoint is None
    await pass_time(hass, freezer, wait * 0.2)
    await eventually(lambda: relay.endpoint)
    await eventually(lambda: entry.runtime_data.webhook.get_diagnostics()["failure"] is None)


async def test_a_removed_entry_takes_everything_back(
    hass: HomeAssistant, relay: RelayDouble, set_up: SetUp, cloud: Cloud
):
    entry = await set_up()
    await eventually(lambda: entry.data.get(CONF_SECRET))
    assert cloud.hooks
    await hass.config_entries.async_unload(entry.entry_id)
    assert relay.endpoint is not None
    await hass.config_entries.async_remove(entry.entry_id)
    assert relay.endpoint is None
    assert cloud.hooks == {}


async def test_an_entry_can_be_removed_while_nobody_answers(hass: HomeAssistant, relay: RelayDouble, set_up: SetUp):
    entry = await set_up()
    await eventually(lambda: entry.data.get(CONF_SECRET))
    await relay.close()
    await hass.config_entries.async_remove(entry.entry_id)
    assert hass.config_entries.async_get_entry(entry.entry_id) is None


async def test_diagnostics_hold_neither_address_nor_secret(
    hass: HomeAssistant, relay: RelayDouble, set_up: SetUp, hass_client: ClientSessionGenerator
):
    entry = await set_up()
    await eventually(lambda: entry.data.get(CONF_SECRET))
    assert await async_setup_component(hass, "diagnostics", {})
    found = await get_diagnostics_for_config_entry(hass, hass_client, entry)
    assert found["webhook"]["registered_via"] == "external_url"
    text = str(found)
    assert [it for it in (SECRET, entry.data[CONF_WEBHOOK_ID], "home.example.com") if it in text] == []
