"""Classic entries whose account isn't known yet, and entries of several accounts or with several keys."""

from datetime import timedelta
from typing import Any

import pytest
from classic_helpers import (
    CLASSIC_KEY,
    DEVICES,
    LEAF,
    MODEL_3,
    MODEL_Y,
    PREFIXES,
    VEHICLES,
    Recording,
    Start,
    get_placeholders,
    get_unique_id,
    list_classic_entities,
    list_problems,
    submit_reauth,
)
from config_flow_helpers import Browser, open_api_key_form, submit_form
from freezegun.api import FrozenDateTimeFactory
from helpers import advance_time, wait_for_state, wait_until
from homeassistant.config_entries import SOURCE_RECONFIGURE, ConfigEntryState
from homeassistant.const import CONF_API_KEY, CONF_URL
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
from homeassistant.helpers import device_registry as dr
from homeassistant.helpers import entity_registry as er
from homeassistant.helpers import issue_registry as ir
from homeassistant.setup import async_setup_component
from pytest_homeassistant_custom_component.components.diagnostics import get_diagnostics_for_config_entry
from relay_double import ACCOUNT_ID, HYUNDAI, KEY, OTHER_KEY, RENAULT, Problem, RelayDouble

from custom_components.evconduit import async_unload_entry, const
from custom_components.evconduit.const import DOMAIN


@pytest.fixture
def load_registries() -> bool:
    """Let the test load the registries."""
    return False


@pytest.fixture
def expected_lingering_timers() -> bool:
    """Ignore the timer of Home Assistant's own clean-up of registries that were loaded."""
    return True


async def test_pending_entries_wait_while_the_relay_is_away(
    hass: HomeAssistant, relay: RelayDouble, start_classic: Start, freezer: FrozenDateTimeFactory
):
    with relay.failing("account", with_=Problem(502, is_relay=False)):
        entries = await start_classic()
        assert [entry.state for entry in entries] == [ConfigEntryState.SETUP_RETRY] * 3
        assert [entry.version for entry in entries] == [2] * 3
        assert len(list_classic_entities(hass)) == 171
        assert len(hass.config_entries.flow.async_progress()) == 0
    await advance_time(hass, freezer, timedelta(seconds=60))
    await wait_until(lambda: len(hass.config_entries.async_entries(DOMAIN)) == 1)
    await wait_for_state(hass, "sensor.tesla_model_y_battery_level", "57")
    assert list_classic_entities(hass) == []


@pytest.mark.parametrize("problem", [Problem(401, "unauthorized"), Problem(500, "internal"), Problem(404)])
async def test_migration_itself_needs_no_relay(
    hass: HomeAssistant, relay: RelayDouble, start_classic: Start, problem: Problem, caplog: pytest.LogCaptureFixture
):
    with relay.failing("account", with_=problem):
        entries = await start_classic()
    assert {entry.version for entry in entries} == {2}
    assert ConfigEntryState.MIGRATION_ERROR not in {entry.state for entry in entries}
    assert len(list_classic_entities(hass)) == 171
    assert list_problems(caplog) == []


async def test_reauth_of_one_entry_merges_all_with_the_same_key(
    hass: HomeAssistant, relay: RelayDouble, start_classic: Start
):
    del relay.keys[CLASSIC_KEY]
    entries = await start_classic()
    assert [entry.state for entry in entries] == [ConfigEntryState.SETUP_ERROR] * 3
    flows = {flow["context"]["entry_id"]: flow for flow in hass.config_entries.flow.async_progress()}
    assert set(flows) == set(VEHICLES)
    await submit_form(hass, await submit_reauth(hass, flows[MODEL_3]), api_key=KEY)
    (entry,) = hass.config_entries.async_entries(DOMAIN)
    assert (entry.entry_id, entry.unique_id, entry.state) == (MODEL_3, ACCOUNT_ID, ConfigEntryState.LOADED)
    assert dict(entry.data) == {CONF_URL: relay.url, CONF_API_KEY: KEY}
    assert hass.config_entries.flow.async_progress() == []
    for entry_id, vehicle_id in VEHICLES.items():
        assert get_unique_id(hass, f"sensor.{PREFIXES[entry_id]}_range") == f"{vehicle_id}_range"


async def test_reauth_by_signing_in(hass: HomeAssistant, relay: RelayDouble, start_classic: Start, browser: Browser):
    del relay.keys[CLASSIC_KEY]
    await start_classic()
    flows = {flow["context"]["entry_id"]: flow for flow in hass.config_entries.flow.async_progress()}
    result = await browser.sign_in(await submit_form(hass, flows[MODEL_Y]))
    assert result["reason"] == "reauth_successful"
    await hass.async_block_till_done()
    (entry,) = hass.config_entries.async_entries(DOMAIN)
    assert entry.state is ConfigEntryState.LOADED
    assert len(relay.refresh_tokens) == 1
    assert get_unique_id(hass, "sensor.nissan_leaf_range") == f"{RENAULT}_range"


async def test_sign_in_with_an_account_that_is_set_up_merges_and_revokes_the_new_access(
    hass: HomeAssistant, relay: RelayDouble, recording: Recording, start_classic: Start, *, browser: Browser
):
    """The account's entry keeps its own credential."""
    for number, record in enumerate(relay.records.values()):
        record["vehicle"]["id"] = f"new-{number}"
        record["former_ids"] = []
    del relay.keys[CLASSIC_KEY]
    main_entry = recording.entries[LEAF] | {"entry_id": "main", "version": 2, "unique_id": ACCOUNT_ID, "title": "Home"}
    recording.entries["main"] = main_entry | {"data": {"url": relay.url, "api_key": KEY}, "options": {}}
    await start_classic()
    flows = {flow["context"]["entry_id"]: flow for flow in hass.config_entries.flow.async_progress()}
    result = await browser.sign_in(await submit_form(hass, flows[MODEL_Y]))
    assert result["reason"] == "reauth_successful"
    await wait_until(lambda: len(hass.config_entries.async_entries(DOMAIN)) == 1)
    await hass.async_block_till_done()
    (entry,) = hass.config_entries.async_entries(DOMAIN)
    assert (entry.entry_id, entry.state, dict(entry.options)) == ("main", ConfigEntryState.LOADED, {})
    assert entry.data[CONF_API_KEY] == KEY
    assert relay.refresh_tokens == set()
    assert sorted(get_placeholders(hass)["vehicles"].splitlines()) == ["- Family car", "- Nissan LEAF"]


async def test_merged_entry_can_be_unloaded(hass: HomeAssistant, relay: RelayDouble, start_classic: Start):
    """Newer versions of Home Assistant may take an entry as loaded whose setup returned False."""
    with relay.failing("account", with_=Problem(502, is_relay=False)):
        entries = await start_classic()
    assert await async_unload_entry(hass, entries[0])


async def test_reconfigure_moves_a_pending_entry_to_another_relay(
    hass: HomeAssistant, relay: RelayDouble, start_classic: Start, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(const, "DEFAULT_URL", "http://127.0.0.1:1")
    entries = await start_classic()
    assert entries[0].state is ConfigEntryState.SETUP_RETRY
    context = {"source": SOURCE_RECONFIGURE, "entry_id": entries[0].entry_id}
    flow = await hass.config_entries.flow.async_init(DOMAIN, context=context)
    menu = await submit_form(hass, flow, url=relay.url)
    form = await submit_form(hass, menu, next_step_id="api_key")
    await submit_form(hass, form, api_key=KEY)
    (entry,) = hass.config_entries.async_entries(DOMAIN)
    assert (entry.unique_id, entry.data[CONF_URL]) == (ACCOUNT_ID, relay.url)
    assert get_unique_id(hass, "sensor.tesla_model_3_range") == f"{HYUNDAI}_range"


async def test_different_keys_of_one_account_become_one_entry(
    hass: HomeAssistant, relay: RelayDouble, recording: Recording, start_classic: Start
):
    recording.entries[MODEL_3]["data"]["api_key"] = KEY
    recording.entries[LEAF]["data"]["api_key"] = "a" * 64  # revoked
    await start_classic()
    await hass.async_block_till_done()
    assert len(hass.config_entries.async_entries(DOMAIN)) == 1
    assert hass.config_entries.flow.async_progress() == []
    for entry_id, vehicle_id in VEHICLES.items():
        assert get_unique_id(hass, f"sensor.{PREFIXES[entry_id]}_range") == f"{vehicle_id}_range"
        assert hass.states.get(f"sensor.{PREFIXES[entry_id]}_range").state != "unavailable"


async def test_entry_of_another_account_stays_apart(
    hass: HomeAssistant, relay: RelayDouble, recording: Recording, start_classic: Start
):
    del relay.records[RENAULT]
    recording.entries[LEAF]["data"]["api_key"] = OTHER_KEY
    entries = await start_classic()
    assert {entry.entry_id: entry.state for entry in entries} == {
        MODEL_Y: ConfigEntryState.LOADED,
        LEAF: ConfigEntryState.SETUP_ERROR,
    }
    assert len(list_classic_entities(hass)) == 57
    assert get_placeholders(hass)["vehicles"] == "—"


async def test_disabled_entry_waits_until_it_is_enabled(
    hass: HomeAssistant, recording: Recording, start_classic: Start, caplog: pytest.LogCaptureFixture
):
    recording.entries[LEAF]["disabled_by"] = "user"
    entries = await start_classic()
    assert {entry.entry_id: entry.version for entry in entries} == {MODEL_Y: 2, LEAF: 1}
    assert len(list_classic_entities(hass)) == 57
    dr.async_get(hass).async_update_device(DEVICES[LEAF], area_id="garage")
    await hass.config_entries.async_set_disabled_by(LEAF, None)
    await hass.async_block_till_done()
    assert [entry.entry_id for entry in hass.config_entries.async_entries(DOMAIN)] == [MODEL_Y]
    assert list_classic_entities(hass) == []
    device = dr.async_get(hass).async_get_device_by_identifier((DOMAIN, RENAULT), MODEL_Y)
    assert device.area_id == "garage"
    entities = get_placeholders(hass)["entities"]
    battery = er.async_get(hass).async_get_entity_id("sensor", DOMAIN, f"{RENAULT}_battery_level")
    assert f"- `sensor.nissan_leaf_battery_level` → `{battery}`" in entities
    assert "`sensor.tesla_model_y_vin`" in entities  # from the first merge
    assert list_problems(caplog) == []


async def test_adding_the_account_merges_entries_that_wait_for_a_credential(
    hass: HomeAssistant, relay: RelayDouble, start_classic: Start
):
    del relay.keys[CLASSIC_KEY]
    await start_classic()
    form = await open_api_key_form(hass, relay)
    result = await submit_form(hass, form, api_key=KEY)
    assert result["type"] is FlowResultType.CREATE_ENTRY
    await hass.async_block_till_done()
    (entry,) = hass.config_entries.async_entries(DOMAIN)
    assert entry.entry_id not in VEHICLES
    for entry_id, vehicle_id in VEHICLES.items():
        assert get_unique_id(hass, f"sensor.{PREFIXES[entry_id]}_range") == f"{vehicle_id}_range"
        assert dr.async_get(hass).async_get(DEVICES[entry_id]).config_entry_id == entry.entry_id


async def test_migration_waits_until_the_account_has_cars(
    hass: HomeAssistant, relay: RelayDouble, start_classic: Start, freezer: FrozenDateTimeFactory
):
    """Users of another relay may sign in before they link their cars."""
    records = dict(relay.records)
    relay.records.clear()
    entries = await start_classic()
    assert {entry.state for entry in entries} == {ConfigEntryState.SETUP_RETRY}
    assert {entry.error_reason_translation_key for entry in entries} == {"no_vehicles"}
    assert len(list_classic_entities(hass)) == 171
    relay.records |= records
    await advance_time(hass, freezer, timedelta(seconds=60))
    await wait_for_state(hass, "sensor.tesla_model_y_battery_level", "57")


async def test_vehicle_that_the_free_read_does_not_find_waits_for_calls(
    hass: HomeAssistant, relay: RelayDouble, start_classic: Start
):
    """It may be over the plan's limit, so its entities aren't removed."""
    relay.records[RENAULT]["link"] = {"state": "over_limit", "since": "2026-11-01T10:00:00.000Z"}
    with relay.failing("vehicles", with_=Problem(429, "quota-exhausted")):
        entries = await start_classic()
    assert {entry.entry_id: entry.state for entry in entries} == {
        MODEL_Y: ConfigEntryState.LOADED,
        LEAF: ConfigEntryState.SETUP_RETRY,
    }
    assert len(list_classic_entities(hass)) == 57
    assert get_unique_id(hass, "sensor.tesla_model_3_range") == f"{HYUNDAI}_range"


async def test_entry_waits_while_the_entry_of_its_account_is_disabled(
    hass: HomeAssistant, recording: Recording, start_classic: Start, caplog: pytest.LogCaptureFixture
):
    data = {"url": "http://relay.example", "api_key": KEY}
    main_entry = recording.entries[LEAF] | {"entry_id": "main", "version": 2, "unique_id": ACCOUNT_ID, "title": "Home"}
    recording.entries["main"] = main_entry | {"data": data, "options": {}, "disabled_by": "user"}
    await start_classic()
    states = {entry.entry_id: entry.state for entry in hass.config_entries.async_entries(DOMAIN)}
    assert states == dict.fromkeys(VEHICLES, ConfigEntryState.SETUP_RETRY) | {"main": ConfigEntryState.NOT_LOADED}
    assert "The entry Home of the same account is disabled" in caplog.text
    assert len(list_classic_entities(hass)) == 171


@pytest.mark.parametrize("names", [["vehicle"], ["vehicles"]])
async def test_other_entry_loads_although_the_search_for_classic_entries_fails(
    hass: HomeAssistant, relay: RelayDouble, recording: Recording, start_classic: Start, *, names: list[str]
):
    for entry_id in (MODEL_Y, MODEL_3):
        del recording.entries[entry_id]
    recording.entries[LEAF]["data"]["api_key"] = OTHER_KEY
    main_entry = recording.entries[LEAF] | {"entry_id": "main", "version": 2, "unique_id": ACCOUNT_ID, "title": "Home"}
    recording.entries["main"] = main_entry | {"data": {"url": relay.url, "api_key": KEY}, "options": {}}
    with relay.failing(*names, with_=Problem(500, "internal")):
        await start_classic()
    states = {entry.entry_id: entry.state for entry in hass.config_entries.async_entries(DOMAIN)}
    assert states == {"main": ConfigEntryState.LOADED, LEAF: ConfigEntryState.SETUP_ERROR}


@pytest.mark.parametrize("data", [{}, {"api_key": 5, "vehicle_id": ["x"], "abrp_token": "t"}, {"api_key": ""}])
async def test_entry_with_unusable_data_asks_for_a_credential(
    hass: HomeAssistant, recording: Recording, start_classic: Start, data: dict[str, Any]
):
    recording.entries[MODEL_Y] |= {"data": data, "unique_id": None}
    for entry_id in (MODEL_3, LEAF):
        del recording.entries[entry_id]
    (entry,) = await start_classic()
    assert (entry.version, entry.state) == (2, ConfigEntryState.SETUP_ERROR)
    (flow,) = hass.config_entries.flow.async_progress()
    assert flow["context"]["source"] == "reauth"
    await submit_form(hass, await submit_reauth(hass, flow), api_key=KEY)
    assert (entry.unique_id, entry.state) == (ACCOUNT_ID, ConfigEntryState.LOADED)
    await hass.config_entries.async_remove(entry.entry_id)
    assert ir.async_get(hass).issues == {}


async def test_removed_pending_entry_leaves_nothing_behind(
    hass: HomeAssistant, relay: RelayDouble, start_classic: Start, *, hass_storage, caplog: pytest.LogCaptureFixture
):
    key = f"{DOMAIN}.charging_sessions.{MODEL_Y}"
    hass_storage[key] = {"version": 1, "minor_version": 1, "key": key, "data": {}}
    with relay.failing("account", with_=Problem(502, is_relay=False)):
        await start_classic()
    await hass.config_entries.async_remove(MODEL_Y)
    assert key not in hass_storage
    assert relay.deleted_classic_webhooks == [MODEL_Y]
    assert len(list_classic_entities(hass)) == 2 * 57
    assert list_problems(caplog) == []


async def test_pending_entry_shows_no_secret_in_diagnostics(
    hass: HomeAssistant, relay: RelayDouble, start_classic: Start, hass_client
):
    assert await async_setup_component(hass, "diagnostics", {})
    with relay.failing("account", with_=Problem(502, is_relay=False)):
        entries = await start_classic()
    diagnostics = await get_diagnostics_for_config_entry(hass, hass_client, entries[0])
    assert diagnostics["entry"]["classic"]["vehicle_id"] == "**REDACTED**"
    assert CLASSIC_KEY not in str(diagnostics)
