import pytest
from helpers import SetUp, eventually
from homeassistant.config_entries import SOURCE_USER, ConfigEntryState, ConfigFlowResult
from homeassistant.const import CONF_API_KEY, CONF_URL
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
from pytest_homeassistant_custom_component.common import MockConfigEntry
from relay_double import ACCOUNT_ID, KEY, OTHER_KEY, Problem, RelayDouble

from custom_components.evconduit.const import DEFAULT_URL, DOMAIN

NEW_KEY = "evc_" + "n" * 43


async def begin(hass: HomeAssistant) -> ConfigFlowResult:
    return await hass.config_entries.flow.async_init(DOMAIN, context={"source": SOURCE_USER})


async def type_in(hass: HomeAssistant, flow: ConfigFlowResult, **typed: str) -> ConfigFlowResult:
    result = await hass.config_entries.flow.async_configure(flow["flow_id"], typed)
    await hass.async_block_till_done()
    return result


def suggested(flow: ConfigFlowResult) -> dict[str, object]:
    assert flow["data_schema"] is not None
    return {str(key): (key.description or {}).get("suggested_value") for key in flow["data_schema"].schema}


async def remove(hass: HomeAssistant) -> None:
    for entry in hass.config_entries.async_entries(DOMAIN):
        await hass.config_entries.async_remove(entry.entry_id)


async def test_an_address_and_a_key_make_an_entry(hass: HomeAssistant, relay: RelayDouble):
    form = await begin(hass)
    assert form["type"] is FlowResultType.FORM
    assert form["step_id"] == "user"
    assert form["errors"] == {}
    assert form["data_schema"]({CONF_API_KEY: "x"})[CONF_URL] == DEFAULT_URL
    made = await type_in(hass, form, url=f" {relay.url}/ ", api_key=f" {KEY} ")
    assert made["type"] is FlowResultType.CREATE_ENTRY
    assert made["title"] == "Home garage"
    assert made["data"] == {CONF_URL: relay.url, CONF_API_KEY: KEY}
    assert made["result"].unique_id == ACCOUNT_ID
    assert made["result"].version == 2
    assert made["result"].state is ConfigEntryState.LOADED
    await remove(hass)


async def test_an_account_without_a_title(hass: HomeAssistant, relay: RelayDouble):
    relay.account["title"] = None
    made = await type_in(hass, await begin(hass), url=relay.url, api_key=KEY)
    assert made["title"] == "EVConduit"
    await remove(hass)


@pytest.mark.parametrize(
    ("problem", "error"),
    [
        (Problem(401, "unauthorized"), "invalid_auth"),
        (Problem(403, "forbidden"), "invalid_auth"),
        (Problem(404, "not-found"), "unsupported_relay"),
        (Problem(404, is_relay=False), "unsupported_relay"),
        (Problem(200, body=b"<html>", is_relay=False), "unsupported_relay"),
        (Problem(503, "unavailable"), "cannot_connect"),
        (Problem(502, is_relay=False), "cannot_connect"),
        (Problem(500, "internal"), "unknown"),
    ],
)
async def test_what_goes_wrong_is_told_and_can_be_mended(hass: HomeAssistant, relay: RelayDouble, problem, error):
    form = await begin(hass)
    with relay.failing("account", with_=problem):
        form = await type_in(hass, form, url=relay.url, api_key=KEY)
    assert form["type"] is FlowResultType.FORM
    assert form["errors"] == {"base": error}
    assert suggested(form) == {CONF_URL: relay.url, CONF_API_KEY: None}
    made = await type_in(hass, form, url=relay.url, api_key=KEY)
    assert made["type"] is FlowResultType.CREATE_ENTRY
    await remove(hass)


async def test_a_wrong_key(hass: HomeAssistant, relay: RelayDouble):
    form = await type_in(hass, await begin(hass), url=relay.url, api_key="evc_wrong")
    assert form["errors"] == {"base": "invalid_auth"}
    form = await type_in(hass, form, url=relay.url, api_key="  ")
    assert form["errors"] == {"base": "invalid_auth"}


@pytest.mark.parametrize("typed", ["relay.example", "https://user:secret@relay.example", "  "])
async def test_what_is_no_address(hass: HomeAssistant, relay: RelayDouble, typed):
    form = await type_in(hass, await begin(hass), url=typed, api_key=KEY)
    assert form["errors"] == {CONF_URL: "invalid_url"}
    made = await type_in(hass, form, url=relay.url, api_key=KEY)
    assert made["type"] is FlowResultType.CREATE_ENTRY
    await remove(hass)


async def test_nobody_there(hass: HomeAssistant, relay: RelayDouble):
    form = await begin(hass)
    await relay.close()
    form = await type_in(hass, form, url=relay.url, api_key=KEY)
    assert form["errors"] == {"base": "cannot_connect"}


async def test_an_account_is_set_up_once(hass: HomeAssistant, relay: RelayDouble, entry: MockConfigEntry):
    relay.keys[NEW_KEY] = ACCOUNT_ID
    result = await type_in(hass, await begin(hass), url=relay.url, api_key=NEW_KEY)
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
    form = await type_in(hass, flow, api_key="evc_wrong")
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
    flow = await entry.start_reauth_flow(hass)
    result = await type_in(hass, flow, api_key=OTHER_KEY)
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
    assert suggested(form) == {CONF_URL: relay.url, CONF_API_KEY: None}
    form = await type_in(hass, form, url="nowhere")
    assert form["errors"] == {CONF_URL: "invalid_url"}
    assert suggested(form) == {CONF_URL: "nowhere", CONF_API_KEY: None}
    done = await type_in(hass, form, url=moved.url)
    assert done["reason"] == "reconfigure_successful"
    assert entry.data == {CONF_URL: moved.url, CONF_API_KEY: KEY}
    await eventually(lambda: moved.streams)
    await hass.config_entries.async_unload(entry.entry_id)
    await moved.close()


async def test_another_key_at_the_same_address(
    hass: HomeAssistant, relay: RelayDouble, entry: MockConfigEntry, set_up: SetUp
):
    relay.keys |= {NEW_KEY: ACCOUNT_ID, OTHER_KEY: "another account"}
    await set_up()
    form = await entry.start_reconfigure_flow(hass)
    refused = await type_in(hass, form, url=relay.url, api_key=OTHER_KEY)
    assert refused["reason"] == "account_mismatch"
    form = await entry.start_reconfigure_flow(hass)
    done = await type_in(hass, form, url=relay.url, api_key=NEW_KEY)
    assert done["reason"] == "reconfigure_successful"
    assert entry.data == {CONF_URL: relay.url, CONF_API_KEY: NEW_KEY}
