"""Relays that report themselves: the add-on through the Supervisor, others by zeroconf."""

from ipaddress import ip_address
from typing import Any

import pytest
from config_flow_helpers import remove_entries, submit_form
from helpers import wait_until
from homeassistant.config_entries import SOURCE_HASSIO, SOURCE_IGNORE, SOURCE_ZEROCONF, ConfigEntryState
from homeassistant.const import CONF_API_KEY, CONF_URL
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
from homeassistant.helpers.service_info.hassio import HassioServiceInfo
from homeassistant.helpers.service_info.zeroconf import ZeroconfServiceInfo
from pytest_homeassistant_custom_component.common import MockConfigEntry
from relay_double import ACCOUNT_ID, KEY, Problem, RelayDouble
from yarl import URL

from custom_components.evconduit.const import DOMAIN
from custom_components.evconduit.discovery import CONF_INSTANCE_ID, DiscoveredRelay

INSTANCE_ID = "3a0c7a1e-7a3f-4f0e-9c51-5d1a3f6c9b20"


def make_addon(url: str, **changes: Any) -> HassioServiceInfo:
    config = {"host": URL(url).host, "port": URL(url).port, "instance_id": INSTANCE_ID} | changes
    return HassioServiceInfo(config=config, name="EVConduit", slug="evconduit", uuid="u1")


def make_announcement(url: str, *, host: str = "127.0.0.1", **properties: Any) -> ZeroconfServiceInfo:
    return ZeroconfServiceInfo(
        ip_address=ip_address(host),
        ip_addresses=[ip_address(host)],
        port=URL(url).port,
        hostname="nas.local.",
        type="_evconduit._tcp.local.",
        name="EVConduit on nas._evconduit._tcp.local.",
        properties={"instance_id": INSTANCE_ID} | properties,
    )


async def discover(hass: HomeAssistant, source: str, info: object) -> Any:
    result = await hass.config_entries.flow.async_init(DOMAIN, context={"source": source}, data=info)
    await hass.async_block_till_done()
    return result


def make_discovery(source: str, url: str) -> object:
    return make_addon(url) if source == SOURCE_HASSIO else make_announcement(url)


@pytest.mark.parametrize("source", [SOURCE_HASSIO, SOURCE_ZEROCONF])
async def test_discovered_relay_is_set_up_without_its_address(hass: HomeAssistant, relay: RelayDouble, source: str):
    relay.account["relay"]["instance_id"] = INSTANCE_ID
    menu = await discover(hass, source, make_discovery(source, relay.url))
    assert (menu["type"], menu["step_id"]) == (FlowResultType.MENU, "method")
    assert menu["menu_options"] == ["sign_in", "api_key"]
    assert menu["description_placeholders"] == {"address": relay.url}
    (flow,) = hass.config_entries.flow.async_progress()
    assert flow["context"]["title_placeholders"] == {"name": "127.0.0.1"}
    assert flow["context"]["unique_id"] == INSTANCE_ID
    form = await submit_form(hass, menu, next_step_id="api_key")
    result = await submit_form(hass, form, api_key=KEY)
    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert result["data"] == {CONF_URL: relay.url, CONF_API_KEY: KEY, CONF_INSTANCE_ID: INSTANCE_ID}
    assert result["result"].unique_id == ACCOUNT_ID
    again = await discover(hass, source, make_discovery(source, relay.url))
    assert (again["type"], again["reason"]) == (FlowResultType.ABORT, "already_configured")
    await remove_entries(hass)


async def test_relay_is_known_by_its_id_at_another_address(
    hass: HomeAssistant, relay: RelayDouble, entry: MockConfigEntry
):
    relay.account["relay"]["instance_id"] = INSTANCE_ID
    await hass.config_entries.async_setup(entry.entry_id)
    assert entry.data[CONF_INSTANCE_ID] == INSTANCE_ID
    result = await discover(hass, SOURCE_ZEROCONF, make_announcement("http://x:8300", host="192.168.1.20"))
    assert (result["type"], result["reason"]) == (FlowResultType.ABORT, "already_configured")
    assert entry.data[CONF_URL] == relay.url
    await hass.config_entries.async_unload(entry.entry_id)


async def test_relay_without_an_id_in_its_account_is_known_by_its_address(
    hass: HomeAssistant, relay: RelayDouble, entry: MockConfigEntry
):
    result = await discover(hass, SOURCE_ZEROCONF, make_announcement(relay.url))
    assert (result["type"], result["reason"]) == (FlowResultType.ABORT, "already_configured")


async def test_ignored_relay_is_not_offered_again(hass: HomeAssistant, relay: RelayDouble):
    MockConfigEntry(domain=DOMAIN, unique_id=INSTANCE_ID, source=SOURCE_IGNORE).add_to_hass(hass)
    result = await discover(hass, SOURCE_ZEROCONF, make_announcement(relay.url))
    assert (result["type"], result["reason"]) == (FlowResultType.ABORT, "already_configured")


@pytest.mark.parametrize("source", [SOURCE_HASSIO, SOURCE_ZEROCONF])
async def test_add_on_that_moved_is_followed_but_an_announcement_is_not(
    hass: HomeAssistant, relay: RelayDouble, source: str
):
    """Anyone on the local network can announce the relay's id, and would be sent the credential."""
    relay.account["relay"]["instance_id"] = INSTANCE_ID
    entry = MockConfigEntry(
        domain=DOMAIN,
        version=2,
        unique_id=ACCOUNT_ID,
        source=SOURCE_HASSIO,
        data={CONF_URL: "http://moved.invalid:8300", CONF_API_KEY: KEY, CONF_INSTANCE_ID: INSTANCE_ID},
    )
    entry.add_to_hass(hass)
    result = await discover(hass, source, make_discovery(source, relay.url))
    assert result["reason"] == "already_configured"
    if source == SOURCE_HASSIO:
        assert entry.data[CONF_URL] == relay.url
        await wait_until(lambda: entry.state is ConfigEntryState.LOADED)
        await hass.config_entries.async_unload(entry.entry_id)
    else:
        assert entry.data[CONF_URL] == "http://moved.invalid:8300"


async def test_entry_that_the_supervisor_did_not_create_keeps_its_address(
    hass: HomeAssistant, relay: RelayDouble, entry: MockConfigEntry
):
    hass.config_entries.async_update_entry(entry, data={**entry.data, CONF_INSTANCE_ID: INSTANCE_ID})
    await discover(hass, SOURCE_HASSIO, make_addon("http://other.invalid:8300"))
    assert entry.data[CONF_URL] == relay.url


@pytest.mark.parametrize(
    "config",
    [
        *({"instance_id": value} for value in (None, "", 7)),
        *({"host": value} for value in (None, "a b", "user@host")),
        {"port": None},
        {"port": 0},
    ],
)
async def test_incomplete_report_of_the_add_on_aborts(hass: HomeAssistant, relay: RelayDouble, config: dict[str, Any]):
    result = await discover(hass, SOURCE_HASSIO, make_addon(relay.url, **config))
    assert (result["type"], result["reason"]) == (FlowResultType.ABORT, "invalid_discovery")


@pytest.mark.parametrize(
    "properties", [{"instance_id": None}, {"scheme": "ftp"}, {"scheme": "javascript"}, {"path": "?a=b"}]
)
async def test_incomplete_announcement_aborts(hass: HomeAssistant, relay: RelayDouble, properties: dict[str, Any]):
    result = await discover(hass, SOURCE_ZEROCONF, make_announcement(relay.url, **properties))
    assert (result["type"], result["reason"]) == (FlowResultType.ABORT, "invalid_discovery")


async def test_discovered_server_that_is_no_relay_is_not_offered(hass: HomeAssistant, relay: RelayDouble):
    with relay.failing("metadata", "account", with_=Problem(404, is_relay=False)):
        result = await discover(hass, SOURCE_ZEROCONF, make_announcement(relay.url))
    assert (result["type"], result["reason"]) == (FlowResultType.ABORT, "unsupported_relay")


@pytest.mark.parametrize(
    ("host", "properties", "url"),
    [
        ("192.168.1.20", {}, "http://192.168.1.20:8300"),
        ("192.168.1.20", {"scheme": "https", "path": "/evc/"}, "https://192.168.1.20:8300/evc"),
        ("fd00::20", {}, "http://[fd00::20]:8300"),
    ],
)
def test_announcement_has_the_address(host: str, properties: dict[str, str], url: str):
    announcement = make_announcement("http://x:8300", host=host, **properties)
    assert DiscoveredRelay.parse_from_zeroconf(announcement) == DiscoveredRelay(instance_id=INSTANCE_ID, url=url)
