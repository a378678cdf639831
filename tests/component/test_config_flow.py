import pytest
from flows import begin, remove, suggested, to_key, type_in
from helpers import SetUp, eventually
from homeassistant.config_entries import ConfigEntryState
from homeassistant.const import CONF_API_KEY, CONF_URL
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
from pytest_homeassistant_custom_component.common import MockConfigEntry
from relay_double import ACCOUNT_ID, KEY, OTHER_KEY, Problem, RelayDouble

from custom_components.evconduit.const import DEFAULT_URL

NEW_KEY = "evc_" + "n" * 43


async def test_an_address_and_a_key_make_an_entry(hass: HomeAssistant, relay: RelayDouble):
    form = await begin(hass)
    assert form["type"] is FlowResultType.FORM
    assert form["step_id"] == "user"
    assert form["errors"] == {}
    assert form["data_schema"]({})[CONF_URL] == DEFAULT_URL
    menu = await type_in(hass, form, url=f" {relay.url}/ ")
    assert menu["type"] is FlowResultType.MENU
    assert menu["menu_options"] == ["sign_in", "api_key"]
    assert menu["description_placeholders"] == {"address": relay.url}
    form = await type_in(hass, menu, next_step_id="api_key")
    made = await type_in(hass, form, api_key=f" {KEY} ")
    assert made["type"] is FlowResultType.CREATE_ENTRY
    assert made["title"] == "Home garage"
    assert made["data"] == {CONF_URL: relay.url, CONF_API_KEY: KEY}
    assert made["result"].unique_id == ACCOUNT_ID
    assert made["result"].version == 2
    assert made["result"].state is ConfigEntryState.LOADED
    await remove(hass)


async def test_an_account_without_a_title(hass: HomeAssistant, relay: RelayDouble):
    relay.account["title"] = None
    made = await type_in(hass, await to_key(hass, relay), api_key=KEY)
    assert made["title"] == "EVConduit"
    await remove(hass)


async def test_a_relay_that_knows_only_keys_asks_for_one_at_once(hass: HomeAssistant, relay: RelayDouble):
    relay.has_oauth = False
    form = await type_in(hass, await begin(hass), url=relay.url)
    assert form["step_id"] == "api_key"
    made = await type_in(hass, form, api_key=KEY)
    assert made["type"] is FlowResultType.CREATE_ENTRY
    await remove(hass)


@pytest.mark.parametrize(
    "page", ["javascript:alert(1)", "ftp://relay.example/", "http://user@relay.example/", "/oauth/authorize"]
)
async def test_a_relay_that_would_send_a_browser_astray_is_not_signed_in_at(
    hass: HomeAssistant, relay: RelayDouble, page: str
):
    relay.authorize_url = page
    form = await type_in(hass, await begin(hass), url=relay.url)
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
async def test_what_goes_wrong_is_told_and_can_be_mended(hass: HomeAssistant, relay: RelayDouble, problem, error):
    form = await to_key(hass, relay)
    with relay.failing("account", with_=problem):
        form = await type_in(hass, form, api_key=KEY)
    assert form["type"] is FlowResultType.FORM
    assert form["errors"] == {"base": error}
    assert suggested(form) == {CONF_API_KEY: None}
    made = await type_in(hass, form, api_key=KEY)
    assert made["type"] is FlowResultType.CREATE_ENTRY
    await remove(hass)


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
async def test_what_is_wrong_with_an_address_is_told_there(hass: HomeAssistant, relay: RelayDouble, problem, error):
    form = await begin(hass)
    with relay.failing("metadata", "account", with_=problem):
        form = await type_in(hass, form, url=relay.url)
    assert form["step_id"] == "user"
    assert form["errors"] == {"base": error}
    assert suggested(form) == {CONF_URL: relay.url}
    assert (await type_in(hass, form, url=relay.url))["type"] is FlowResultType.MENU


async def test_a_proxy_that_lets_only_the_api_through_leaves_the_key(hass: HomeAssistant, relay: RelayDouble):
    with relay.failing("metadata", with_=Problem(404, is_relay=False)):
        form = await type_in(hass, await begin(hass), url=relay.url)
    assert form["step_id"] == "api_key"


async def test_a_wrong_key(hass: HomeAssistant, relay: RelayDouble):
    form = await type_in(hass, await to_key(hass, relay), api_key="evc_wrong")
    assert form["errors"] == {"base": "invalid_auth"}
    form = await type_in(hass, form, api_key="  ")
    assert form["errors"] == {"base": "invalid_auth"}


@pytest.mark.parametrize("typed", ["relay.example", "https://user:secret@relay.example", "  "])
async def test_what_is_no_address(hass: HomeAssistant, relay: RelayDouble, typed):
    form = await type_in(hass, await begin(hass), url=typed)
    assert form["errors"] == {CONF_URL: "invalid_url"}
    assert (await type_in(hass, form, url=relay.url))["type"] is FlowResultType.MENU


async def test_nobody_there(hass: HomeAssistant, relay: RelayDouble):
    form = await begin(hass)
    await relay.close()
    form = await type_in(hass, form, url=relay.url)
    assert form["errors"] == {"base": "cannot_connect"}


async def test_an_account_is_set_up_once(hass: HomeAssistant, relay: RelayDouble, entry: MockConfigEntry):
    relay.keys[NEW_KEY] = ACCOUNT_ID
    result = await type_in(hass, await to_key(hass, relay), api_key=NEW_KEY)
    assert result["type"] is FlowResultType.ABORT
    assert result["reason"] == "already_configured"
    assert entry.data[CONF_API_KEY] == KEY


async def test_another_key_after_the_old_one_was_revoked(
    hass: HomeAssistant, relay: RelayDouble, entry: MockConfigEntry, set_up: SetUp
):
    relay.keys = {NEW_KEY: ACCOUNT_ID, OTHER_KEY: "another account"}
    await set_up()
    assert entry.state is ConfigEntryState.SETUP_ERROR
    (flow,) = hass.config_entries.flow.async_progress()
    assert flow["context"]["source"] == "reauth"
    assert flow["step_id"] == "reauth_confirm"
    with relay.failing("metadata", with_=Problem(503, "unavailable")):
        form = await type_in(hass, flow)
    assert form["errors"] == {"base": "cannot_connect"}
    menu = await type_in(hass, form)
    assert menu["menu_options"] == ["sign_in", "api_key"]
    form = await type_in(hass, menu, next_step_id="api_key")
    form = await type_in(hass, form, api_key="evc_wrong")
    assert form["errors"] == {"base": "invalid_auth"}
    assert suggested(form) == {CONF_API_KEY: None}
    done = await type_in(hass, form, api_key=NEW_KEY)
    assert done["reason"] == "reauth_successful"
    assert entry.data == {CONF_URL: relay.url, CONF_API_KEY: NEW_KEY}
    await eventually(lambda: entry.state is ConfigEntryState.LOADED)


async def test_a_key_to_another_account_does_not_replace_the_old_one(
    hass: HomeAssistant, relay: RelayDouble, entry: MockConfigEntry
):
    relay.keys[OTHER_KEY] = "another account"
    relay.has_oauth = False
    flow = await entry.start_reauth_flow(hass)
    form = await type_in(hass, flow)
    result = await type_in(hass, form, api_key=OTHER_KEY)
    assert result["type"] is FlowResultType.ABORT
    assert result["reason"] == "account_mismatch"
    assert entry.data[CONF_API_KEY] == KEY


async def test_another_address_with_the_same_key(
    hass: HomeAssistant, relay: RelayDouble, entry: MockConfigEntry, set_up: SetUp
):
    await set_up()
    moved = RelayDouble()
    await moved.start()
    form = await entry.start_reconfigure_flow(hass)
    assert form["step_id"] == "reconfigure"
    assert suggested(form) == {CONF_URL: relay.url}
    form = await type_in(hass, form, url="nowhere")
    assert form["errors"] == {CONF_URL: "invalid_url"}
    assert suggested(form) == {CONF_URL: "nowhere"}
    menu = await type_in(hass, form, url=moved.url)
    assert menu["menu_options"] == ["keep", "sign_in", "api_key"]
    done = await type_in(hass, menu, next_step_id="keep")
    assert done["reason"] == "reconfigure_successful"
    assert entry.data == {CONF_URL: moved.url, CONF_API_KEY: KEY}
    await eventually(lambda: moved.streams)
    await hass.config_entries.async_unload(entry.entry_id)
    await moved.close()


async def test_a_key_that_does_not_open_the_other_address(
    hass: HomeAssistant, relay: RelayDouble, entry: MockConfigEntry
):
    relay.has_oauth = False
    relay.keys = {}
    menu = await type_in(hass, await entry.start_reconfigure_flow(hass), url=relay.url)
    assert menu["menu_options"] == ["keep", "api_key"]
    result = await type_in(hass, menu, next_step_id="keep")
    assert (result["type"], result["reason"]) == (FlowResultType.ABORT, "invalid_auth")


async def test_another_key_at_the_same_address(
    hass: HomeAssistant, relay: RelayDouble, entry: MockConfigEntry, set_up: SetUp
):
    relay.keys |= {NEW_KEY: ACCOUNT_ID, OTHER_KEY: "another account"}
    await set_up()

    async def reconfigure(key: str):
        menu = await type_in(hass, await entry.start_reconfigure_flow(hass), url=relay.url)
        return await type_in(hass, await type_in(hass, menu, next_step_id="api_key"), api_key=key)

    assert (await reconfigure(OTHER_KEY))["reason"] == "account_mismatch"
    assert (await reconfigure(NEW_KEY))["reason"] == "reconfigure_successful"
    assert entry.data == {CONF_URL: relay.url, CONF_API_KEY: NEW_KEY}
