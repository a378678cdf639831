"""The menu that starts the set-up: the cloud, a self-hosted relay, or an API key."""

import pytest
from config_flow_helpers import Browser, get_suggested_values, remove_entries, start_user_flow, submit_form
from homeassistant.const import CONF_API_KEY, CONF_URL
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
from pytest_homeassistant_custom_component.common import MockConfigEntry
from relay_double import KEY, Problem, RelayDouble

from custom_components.evconduit import config_flow
from custom_components.evconduit.const import DEFAULT_URL, DOMAIN


@pytest.fixture
def cloud(relay: RelayDouble, monkeypatch: pytest.MonkeyPatch) -> RelayDouble:
    """The relay, at the address of the cloud."""
    monkeypatch.setattr(config_flow, "DEFAULT_URL", relay.url)
    return relay


def test_cloud_has_its_address():
    assert DEFAULT_URL == "https://backend.evconduit.com"


async def test_sign_in_to_the_cloud_needs_no_address(hass: HomeAssistant, cloud: RelayDouble, browser: Browser):
    step = await submit_form(hass, await start_user_flow(hass), next_step_id="cloud")
    assert step["type"] is FlowResultType.EXTERNAL_STEP
    hass.config_entries.flow.async_abort(step["flow_id"])
    result = await browser.sign_in(await start_user_flow(hass), option="cloud")
    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert result["data"][CONF_URL] == cloud.url
    await remove_entries(hass)


async def test_cloud_that_does_not_respond_can_be_tried_again(hass: HomeAssistant, cloud: RelayDouble):
    cloud.has_oauth = False
    with cloud.failing("metadata", "account", with_=Problem(503, "unavailable")):
        form = await submit_form(hass, await start_user_flow(hass), next_step_id="cloud")
    assert (form["type"], form["step_id"], form["errors"]) == (FlowResultType.FORM, "cloud", {"base": "cannot_connect"})
    form = await submit_form(hass, form)
    assert form["step_id"] == "api_key"


async def test_api_key_is_entered_with_the_address(hass: HomeAssistant, relay: RelayDouble):
    form = await submit_form(hass, await start_user_flow(hass), next_step_id="api_key")
    assert (form["type"], form["step_id"], form["errors"]) == (FlowResultType.FORM, "address_and_key", {})
    assert form["data_schema"]({CONF_API_KEY: KEY})[CONF_URL] == DEFAULT_URL
    form = await submit_form(hass, form, url="nowhere", api_key=KEY)
    assert form["errors"] == {CONF_URL: "invalid_url"}
    assert get_suggested_values(form) == {CONF_URL: "nowhere", CONF_API_KEY: KEY}
    form = await submit_form(hass, form, url=relay.url, api_key="evc_wrong")
    assert (form["step_id"], form["errors"]) == ("api_key", {"base": "invalid_auth"})
    result = await submit_form(hass, form, api_key=KEY)
    assert (result["type"], result["data"]) == (FlowResultType.CREATE_ENTRY, {CONF_URL: relay.url, CONF_API_KEY: KEY})
    await remove_entries(hass)


async def test_right_key_needs_one_dialog(hass: HomeAssistant, relay: RelayDouble):
    form = await submit_form(hass, await start_user_flow(hass), next_step_id="api_key")
    result = await submit_form(hass, form, url=relay.url, api_key=f" {KEY} ")
    assert (result["type"], result["data"]) == (FlowResultType.CREATE_ENTRY, {CONF_URL: relay.url, CONF_API_KEY: KEY})
    await remove_entries(hass)


async def test_classic_entry_has_no_options(hass: HomeAssistant):
    entry = MockConfigEntry(domain=DOMAIN, version=1)
    entry.add_to_hass(hass)
    assert not config_flow.EVConduitConfigFlow.async_supports_options_flow(entry)
    assert config_flow.EVConduitConfigFlow.async_get_supported_subentry_types(entry) == {}
