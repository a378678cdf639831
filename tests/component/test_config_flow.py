import pytest
from config_flow_helpers import (
    get_suggested_values,
    open_api_key_form,
    open_url_form,
    remove_entries,
    start_user_flow,
    submit_form,
)
from helpers import SetupEntry, wait_until
from homeassistant.config_entries import ConfigEntryState
from homeassistant.const import CONF_API_KEY, CONF_URL
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
from pytest_homeassistant_custom_component.common import MockConfigEntry
from relay_double import ACCOUNT_ID, KEY, OTHER_KEY, Problem, RelayDouble

from custom_components.evconduit.config_flow import EXAMPLE_URL

NEW_KEY = "evc_" + "n" * 43


async def test_user_flow_with_api_key_creates_entry(hass: HomeAssistant, relay: RelayDouble):
    first = await start_user_flow(hass)
    assert (first["type"], first["step_id"]) == (FlowResultType.MENU, "user")
    assert first["menu_options"] == ["cloud", "own_relay", "api_key"]
    form = await submit_form(hass, first, next_step_id="own_relay")
    assert form["type"] is FlowResultType.FORM
    assert form["step_id"] == "own_relay"
    assert form["errors"] == {}
    menu = await submit_form(hass, form, url=f" {relay.url}/ ")
    assert menu["type"] is FlowResultType.MENU
    assert menu["menu_options"] == ["sign_in", "api_key"]
    assert menu["description_placeholders"] == {"address": relay.url}
    form = await submit_form(hass, menu, next_step_id="api_key")
    result = await submit_form(hass, form, api_key=f" {KEY} ")
    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert result["title"] == "Home garage"
    assert result["data"] == {CONF_URL: relay.url, CONF_API_KEY: KEY}
    assert result["result"].unique_id == ACCOUNT_ID
    assert result["result"].version == 2
    assert result["result"].state is ConfigEntryState.LOADED
    await remove_entries(hass)


async def test_account_without_title_gets_default_title(hass: HomeAssistant, relay: RelayDouble):
    relay.account["title"] = None
    result = await submit_form(hass, await open_api_key_form(hass, relay), api_key=KEY)
    assert result["title"] == "EVConduit"
    await remove_entries(hass)


async def test_relay_without_oauth_skips_the_menu(hass: HomeAssistant, relay: RelayDouble):
    relay.has_oauth = False
    form = await submit_form(hass, await open_url_form(hass), url=relay.url)
    assert form["step_id"] == "api_key"
    result = await submit_form(hass, form, api_key=KEY)
    assert result["type"] is FlowResultType.CREATE_ENTRY
    await remove_entries(hass)


@pytest.mark.parametrize(
    "page", ["javascript:alert(1)", "ftp://relay.example/", "http://user@relay.example/", "/oauth/authorize"]
)
async def test_unsafe_authorization_endpoint_disables_sign_in(hass: HomeAssistant, relay: RelayDouble, page: str):
    relay.authorize_url = page
    form = await submit_form(hass, await open_url_form(hass), url=relay.url)
    assert form["step_id"] == "api_key"


@pytest.mark.parametrize(
    ("problem", "error"),
    [
        (Problem(401, "unauthorized"), "invalid_auth"),
        (Problem(403, "forbidden"), "invalid_auth"),
        (Problem(403, "account-disabled"), "account_disabled"),
        (Problem(404, "not-found"), "unsupported_relay"),
        (Problem(404, is_relay=False), "unsupported_relay"),
        (Problem(200, body=b"<html>", is_relay=False), "unsupported_relay"),
        (Problem(503, "unavailable"), "cannot_connect"),
        (Problem(502, is_relay=False), "cannot_connect"),
        (Problem(500, "internal"), "unknown"),
    ],
)
async def test_api_key_errors_are_shown_and_can_be_corrected(hass: HomeAssistant, relay: RelayDouble, problem, error):
    form = await open_api_key_form(hass, relay)
    with relay.failing("account", with_=problem):
        form = await submit_form(hass, form, api_key=KEY)
    assert form["type"] is FlowResultType.FORM
    assert form["errors"] == {"base": error}
    assert get_suggested_values(form) == {CONF_API_KEY: None}
    result = await submit_form(hass, form, api_key=KEY)
    assert result["type"] is FlowResultType.CREATE_ENTRY
    await remove_entries(hass)


@pytest.mark.parametrize(
    ("problem", "error"),
    [
        (Problem(404, is_relay=False), "unsupported_relay"),
        (Problem(404, "not-found"), "unsupported_relay"),
        (Problem(200, body=b"<html>", is_relay=False), "unsupported_relay"),
        (Problem(200, body=b"{}"), "unsupported_relay"),
        (Problem(503, "unavailable"), "cannot_connect"),
        (Problem(502, is_relay=False), "cannot_connect"),
        (Problem(500, "internal"), "unknown"),
    ],
)
async def test_url_errors_are_shown_and_can_be_corrected(hass: HomeAssistant, relay: RelayDouble, problem, error):
    form = await open_url_form(hass)
    with relay.failing("metadata", "account", with_=problem):
        form = await submit_form(hass, form, url=relay.url)
    assert form["step_id"] == "own_relay"
    assert form["errors"] == {"base": error}
    assert get_suggested_values(form) == {CONF_URL: relay.url}
    assert (await submit_form(hass, form, url=relay.url))["type"] is FlowResultType.MENU


async def test_proxy_that_hides_oauth_metadata_leaves_the_api_key(hass: HomeAssistant, relay: RelayDouble):
    with relay.failing("metadata", with_=Problem(404, is_relay=False)):
        form = await submit_form(hass, await open_url_form(hass), url=relay.url)
    assert form["step_id"] == "api_key"


async def test_wrong_api_key_shows_an_error(hass: HomeAssistant, relay: RelayDouble):
    form = await submit_form(hass, await open_api_key_form(hass, relay), api_key="evc_wrong")
    assert form["errors"] == {"base": "invalid_auth"}
    form = await submit_form(hass, form, api_key="  ")
    assert form["errors"] == {"base": "invalid_auth"}


@pytest.mark.parametrize("text", ["relay.example", "https://user:secret@relay.example", "  "])
async def test_invalid_url_shows_an_error(hass: HomeAssistant, relay: RelayDouble, text):
    form = await submit_form(hass, await open_url_form(hass), url=text)
    assert form["errors"] == {CONF_URL: "invalid_url"}
    assert form["description_placeholders"] == {"example_url": EXAMPLE_URL}
    assert (await submit_form(hass, form, url=relay.url))["type"] is FlowResultType.MENU


async def test_unreachable_relay_shows_an_error(hass: HomeAssistant, relay: RelayDouble):
    form = await open_url_form(hass)
    await relay.close()
    form = await submit_form(hass, form, url=relay.url)
    assert form["errors"] == {"base": "cannot_connect"}


async def test_user_flow_aborts_for_a_configured_account(
    hass: HomeAssistant, relay: RelayDouble, entry: MockConfigEntry
):
    relay.keys[NEW_KEY] = ACCOUNT_ID
    result = await submit_form(hass, await open_api_key_form(hass, relay), api_key=NEW_KEY)
    assert result["type"] is FlowResultType.ABORT
    assert result["reason"] == "already_configured"
    assert entry.data[CONF_API_KEY] == KEY


async def test_reauth_with_another_key(
    hass: HomeAssistant, relay: RelayDouble, entry: MockConfigEntry, setup_entry: SetupEntry
):
    relay.keys = {NEW_KEY: ACCOUNT_ID, OTHER_KEY: "another account"}
    await setup_entry()
    assert entry.state is ConfigEntryState.SETUP_ERROR
    (flow,) = hass.config_entries.flow.async_progress()
    assert flow["context"]["source"] == "reauth"
    assert flow["step_id"] == "reauth_confirm"
    with relay.failing("metadata", with_=Problem(503, "unavailable")):
        form = await submit_form(hass, flow)
    assert form["errors"] == {"base": "cannot_connect"}
    assert form["description_placeholders"] == {"name": "Home garage"}
    menu = await submit_form(hass, form)
    assert menu["menu_options"] == ["sign_in", "api_key"]
    form = await submit_form(hass, menu, next_step_id="api_key")
    form = await submit_form(hass, form, api_key="evc_wrong")
    assert form["errors"] == {"base": "invalid_auth"}
    assert get_suggested_values(form) == {CONF_API_KEY: None}
    done = await submit_form(hass, form, api_key=NEW_KEY)
    assert done["reason"] == "reauth_successful"
    assert entry.data == {CONF_URL: relay.url, CONF_API_KEY: NEW_KEY}
    await wait_until(lambda: entry.state is ConfigEntryState.LOADED)


async def test_reauth_aborts_for_another_account(hass: HomeAssistant, relay: RelayDouble, entry: MockConfigEntry):
    relay.keys[OTHER_KEY] = "another account"
    relay.has_oauth = False
    flow = await entry.start_reauth_flow(hass)
    form = await submit_form(hass, flow)
    result = await submit_form(hass, form, api_key=OTHER_KEY)
    assert result["type"] is FlowResultType.ABORT
    assert result["reason"] == "account_mismatch"
    assert entry.data[CONF_API_KEY] == KEY


async def test_reconfigure_changes_the_url_and_keeps_the_key(
    hass: HomeAssistant, relay: RelayDouble, entry: MockConfigEntry, setup_entry: SetupEntry
):
    await setup_entry()
    moved = RelayDouble()
    await moved.start()
    form = await entry.start_reconfigure_flow(hass)
    assert form["step_id"] == "reconfigure"
    assert get_suggested_values(form) == {CONF_URL: relay.url}
    form = await submit_form(hass, form, url="nowhere")
    assert form["errors"] == {CONF_URL: "invalid_url"}
    assert get_suggested_values(form) == {CONF_URL: "nowhere"}
    menu = await submit_form(hass, form, url=moved.url)
    assert menu["menu_options"] == ["keep", "sign_in", "api_key"]
    done = await submit_form(hass, menu, next_step_id="keep")
    assert done["reason"] == "reconfigure_successful"
    assert entry.data == {CONF_URL: moved.url, CONF_API_KEY: KEY}
    await wait_until(lambda: moved.streams)
    await hass.config_entries.async_unload(entry.entry_id)
    await moved.close()


async def test_reconfigure_aborts_if_the_new_relay_refuses_the_key(
    hass: HomeAssistant, relay: RelayDouble, entry: MockConfigEntry
):
    relay.has_oauth = False
    relay.keys = {}
    menu = await submit_form(hass, await entry.start_reconfigure_flow(hass), url=relay.url)
    assert menu["menu_options"] == ["keep", "api_key"]
    result = await submit_form(hass, menu, next_step_id="keep")
    assert (result["type"], result["reason"]) == (FlowResultType.ABORT, "invalid_auth")


async def test_reconfigure_changes_the_key(
    hass: HomeAssistant, relay: RelayDouble, entry: MockConfigEntry, setup_entry: SetupEntry
):
    relay.keys |= {NEW_KEY: ACCOUNT_ID, OTHER_KEY: "another account"}
    await setup_entry()

    async def reconfigure(key: str):
        menu = await submit_form(hass, await entry.start_reconfigure_flow(hass), url=relay.url)
        return await submit_form(hass, await submit_form(hass, menu, next_step_id="api_key"), api_key=key)

    assert (await reconfigure(OTHER_KEY))["reason"] == "account_mismatch"
    assert (await reconfigure(NEW_KEY))["reason"] == "reconfigure_successful"
    assert entry.data == {CONF_URL: relay.url, CONF_API_KEY: NEW_KEY}
