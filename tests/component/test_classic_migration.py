"""Migration of the classic integration's entries, from the registries of a Home Assistant in which it ran."""

import pytest
from classic_helpers import (
    CLASSIC_KEY,
    DEVICES,
    ENODE_IDS,
    LEAF,
    MODEL_Y,
    PREFIXES,
    VEHICLES,
    Recording,
    Start,
    get_placeholders,
    get_unique_id,
    list_classic_entities,
    list_problems,
)
from homeassistant.config_entries import ConfigEntryState
from homeassistant.const import CONF_API_KEY, CONF_URL
from homeassistant.core import HomeAssistant
from homeassistant.helpers import device_registry as dr
from homeassistant.helpers import entity_registry as er
from homeassistant.helpers import issue_registry as ir
from homeassistant.setup import async_setup_component
from relay_double import ACCOUNT_ID, HYUNDAI, RENAULT, TESLA, Problem, RelayDouble

from custom_components.evconduit.const import DOMAIN

CARRIED = {
    "sensor.{}_battery_level": "battery_level",
    "sensor.{}_range": "range",
    "sensor.{}_charging_state": "charging_state",
    "sensor.{}_charge_rate": "charge_power",
    "sensor.{}_charge_time_remaining": "charge_time_remaining",
    "sensor.{}_charge_limit": "charge_limit",
    "sensor.{}_battery_capacity": "battery_capacity",
    "sensor.{}_odometer_distance": "odometer",
    "sensor.{}_last_seen": "last_seen",
    "device_tracker.{}": "location",
}
"""By entity id, the key of what the entity becomes."""
FIX_FLOW = "/api/repairs/issues/fix"
IF_SUPPORTED = {"odometer", "location"}


@pytest.fixture
def load_registries() -> bool:
    """Let the test load the registries."""
    return False


@pytest.fixture
def expected_lingering_timers() -> bool:
    """Ignore the timer of Home Assistant's own clean-up of registries that were loaded."""
    return True


async def test_entries_of_one_account_become_one(
    hass: HomeAssistant, relay: RelayDouble, start_classic: Start, caplog: pytest.LogCaptureFixture
):
    (entry,) = await start_classic()
    assert entry.state is ConfigEntryState.LOADED
    assert (entry.entry_id, entry.version, entry.unique_id, entry.title) == (MODEL_Y, 2, ACCOUNT_ID, "Home garage")
    assert (dict(entry.data), dict(entry.options)) == ({CONF_URL: relay.url, CONF_API_KEY: CLASSIC_KEY}, {})
    assert sorted(relay.deleted_classic_webhooks) == sorted(VEHICLES)
    assert len(relay.get_requests("/vehicles")) == 1  # a metered call
    assert list_problems(caplog) == []


async def test_entities_keep_their_entity_ids(hass: HomeAssistant, start_classic: Start):
    (entry,) = await start_classic()
    registry = er.async_get(hass)
    for entry_id, vehicle_id in VEHICLES.items():
        for pattern, key in CARRIED.items():
            entity_id = pattern.format(PREFIXES[entry_id])
            if entry_id == LEAF and key in IF_SUPPORTED:
                assert registry.async_get(entity_id) is None  # it would stay unknown
                continue
            entity = registry.entities[entity_id]
            assert entity.unique_id == f"{vehicle_id}_{key}"
            assert (entity.config_entry_id, entity.device_id) == (entry.entry_id, DEVICES[entry_id])
            assert hass.states.get(entity_id).state != "unavailable"
    assert list_classic_entities(hass) == []
    assert hass.states.get("sensor.tesla_model_y_battery_level").state == "57"
    assert hass.states.get("sensor.tesla_model_y_is_charging") is None


async def test_devices_keep_what_the_user_chose(hass: HomeAssistant, recording: Recording, start_classic: Start):
    area = {"area_id": "garage", "labels": ["electric"], "name_by_user": "The Y"}
    recording.devices[DEVICES[MODEL_Y]] |= area
    (entry,) = await start_classic()
    registry = dr.async_get(hass)
    devices = {device.id: device for device in dr.async_entries_for_config_entry(registry, entry.entry_id)}
    for entry_id, vehicle_id in VEHICLES.items():
        assert devices.pop(DEVICES[entry_id]).identifiers == {(DOMAIN, vehicle_id)}
    device = registry.async_get(DEVICES[MODEL_Y])
    assert (device.area_id, device.labels, device.name_by_user) == ("garage", {"electric"}, "The Y")
    assert [device.identifiers for device in devices.values()] == [{(DOMAIN, ACCOUNT_ID)}]
    assert hass.states.get("sensor.tesla_model_y_range").name.startswith("The Y")


async def test_entities_keep_what_the_user_chose(hass: HomeAssistant, recording: Recording, start_classic: Start):
    battery, limit = "sensor.my_own_id", "sensor.tesla_model_3_charge_limit"
    chosen = {"name": "How full", "icon": "mdi:car", "area_id": "garage", "labels": ["a"], "aliases": ["juice"]}
    entity = recording.entities.pop("sensor.tesla_model_3_battery_level")
    recording.entities[battery] = entity | chosen | {"entity_id": battery, "aliases_v2": ["juice"]}
    recording.entities[limit] |= {"disabled_by": "user", "hidden_by": "user"}
    await start_classic()
    entity = er.async_get(hass).entities[battery]
    assert entity.unique_id == f"{HYUNDAI}_battery_level"
    assert (entity.name, entity.icon, entity.area_id, entity.labels) == ("How full", "mdi:car", "garage", {"a"})
    assert "juice" in entity.aliases
    entity = er.async_get(hass).entities[limit]
    assert (entity.disabled_by, entity.hidden_by) == (er.RegistryEntryDisabler.USER, er.RegistryEntryHider.USER)


async def test_power_delivery_state_is_carried_if_charging_state_is_disabled(
    hass: HomeAssistant, recording: Recording, start_classic: Start
):
    """Both have the same value."""
    recording.entities["sensor.tesla_model_y_charging_state"]["disabled_by"] = "user"
    await start_classic()
    registry = er.async_get(hass)
    assert registry.async_get("sensor.tesla_model_y_charging_state") is None
    assert registry.entities["sensor.tesla_model_y_power_delivery_state"].unique_id == f"{TESLA}_charging_state"
    assert registry.entities["sensor.tesla_model_3_charging_state"].unique_id == f"{HYUNDAI}_charging_state"


async def test_one_issue_lists_what_was_not_kept(hass: HomeAssistant, start_classic: Start):
    await start_classic()
    ((_, issue_id),) = ir.async_get(hass).issues
    issue = ir.async_get(hass).async_get_issue(DOMAIN, issue_id)
    assert (issue.translation_key, issue.is_fixable, issue.is_persistent) == ("classic_migrated", True, True)
    entities = issue.translation_placeholders["entities"]
    assert "- `sensor.tesla_model_y_is_plugged_in` → `binary_sensor.blue_car_plugged_in`" in entities
    assert "- `sensor.tesla_model_3_is_charging` → `binary_sensor." in entities
    assert "- `sensor.tesla_model_y_power_delivery_state` → `sensor.tesla_model_y_charging_state`" in entities
    assert "- `sensor.tesla_model_y_location` → `device_tracker.tesla_model_y`" in entities
    assert "`sensor.nissan_leaf_odometer_distance`" in entities
    for name in ("vin", "email", "monthly_charge_cost", "odometer_abrp", "last_seen_local"):
        assert all(f"`sensor.{prefix}_{name}`" in entities for prefix in PREFIXES.values())
    assert "battery_level" not in entities
    settings = issue.translation_placeholders["settings"]
    assert settings.splitlines() == [
        f"- `{name}`"
        for name in (
            *("charging_history", "electricity_rate_currency", "electricity_rate_entity"),
            *("odometer_entity", "update_interval"),
        )
    ]
    assert issue.translation_placeholders["vehicles"] == "—"


@pytest.mark.usefixtures("short_snapshot_timeout")
async def test_calls_of_the_month_are_not_needed(hass: HomeAssistant, relay: RelayDouble, start_classic: Start):
    relay.account["push"] = False
    with relay.failing("vehicles", "stream", with_=Problem(429, "quota-exhausted", headers={"Retry-After": "600"})):
        (entry,) = await start_classic()
    assert entry.unique_id == ACCOUNT_ID
    for entry_id, vehicle_id in VEHICLES.items():
        assert get_unique_id(hass, f"sensor.{PREFIXES[entry_id]}_battery_level") == f"{vehicle_id}_battery_level"


async def test_issue_is_removed_when_the_user_confirms(hass: HomeAssistant, start_classic: Start, hass_client):
    await start_classic()
    assert await async_setup_component(hass, "repairs", {})
    ((_, issue_id),) = ir.async_get(hass).issues
    client = await hass_client()
    flow = await (await client.post(FIX_FLOW, json={"handler": DOMAIN, "issue_id": issue_id})).json()
    assert "sensor.tesla_model_y_vin" in flow["description_placeholders"]["entities"]
    await client.post(f"{FIX_FLOW}/{flow['flow_id']}", json={})
    assert ir.async_get(hass).issues == {}


async def test_vehicle_over_the_limit_keeps_its_entities(hass: HomeAssistant, relay: RelayDouble, start_classic: Start):
    """Its record has no data and no capabilities, and all of Enode's ids are former ones."""
    since = {"since": "2026-11-01T10:00:00.000Z"}
    relay.records[RENAULT] |= {"link": {"state": "over_limit", **since}, "vehicle": {}, "former_ids": [ENODE_IDS[LEAF]]}
    await start_classic()
    for pattern, key in CARRIED.items():
        assert get_unique_id(hass, pattern.format("nissan_leaf")) == f"{RENAULT}_{key}"


async def test_entity_of_an_unknown_version_is_removed_and_listed(
    hass: HomeAssistant, recording: Recording, start_classic: Start
):
    entity_id = "sensor.tesla_model_y_later"
    vin = recording.entities["sensor.tesla_model_y_vin"]
    recording.entities[entity_id] = vin | {"entity_id": entity_id, "unique_id": "another_format", "id": "0" * 32}
    await start_classic()
    assert er.async_get(hass).async_get(entity_id) is None
    assert f"- —: `{entity_id}`" in get_placeholders(hass)["entities"]


async def test_vehicle_that_the_account_no_longer_has_is_listed(
    hass: HomeAssistant, relay: RelayDouble, start_classic: Start
):
    del relay.records[RENAULT]
    (entry,) = await start_classic()
    assert entry.unique_id == ACCOUNT_ID
    assert dr.async_get(hass).async_get(DEVICES[LEAF]) is None
    assert get_placeholders(hass)["vehicles"] == "- Nissan LEAF"
    assert "`sensor.nissan_leaf_battery_level`" in get_placeholders(hass)["entities"]


async def test_vehicles_of_another_relay_are_matched_by_name(
    hass: HomeAssistant, relay: RelayDouble, start_classic: Start
):
    """Enode gave them other ids. A name that two of them have says nothing."""
    for number, record in enumerate(relay.records.values()):
        record["vehicle"]["id"] = f"new-{number}"
        record["former_ids"] = []
    relay.records[TESLA]["vehicle"]["information"] |= {"displayName": "Family car", "model": "Model Y"}
    relay.records[HYUNDAI]["vehicle"]["information"] |= {"displayName": "x", "brand": "TESLA", "model": "Model 3"}
    relay.records[RENAULT]["vehicle"]["information"] |= {"displayName": "Another"}
    await start_classic()
    assert get_unique_id(hass, "sensor.tesla_model_y_range") == f"{TESLA}_range"
    assert get_unique_id(hass, "sensor.tesla_model_3_range") == f"{HYUNDAI}_range"
    assert get_placeholders(hass)["vehicles"] == "- Nissan LEAF"


async def test_names_are_not_compared_if_the_account_has_any_of_the_ids(
    hass: HomeAssistant, relay: RelayDouble, start_classic: Start
):
    """A car of the same name may have replaced another one."""
    relay.records[RENAULT]["vehicle"]["id"] = "bought later"
    relay.records[RENAULT]["vehicle"]["information"] |= {"displayName": "Nissan LEAF"}
    await start_classic()
    assert dr.async_get(hass).async_get(DEVICES[LEAF]) is None
    assert get_placeholders(hass)["vehicles"] == "- Nissan LEAF"


async def test_vehicle_is_found_by_the_id_that_it_had_when_it_was_added(
    hass: HomeAssistant, recording: Recording, start_classic: Start
):
    """The classic integration's *Reconfigure* can change the other one."""
    recording.entries[MODEL_Y]["data"]["vehicle_id"] = "unknown"
    await start_classic()
    assert get_unique_id(hass, "sensor.tesla_model_y_range") == f"{TESLA}_range"


async def test_migration_costs_one_call_without_push(hass: HomeAssistant, relay: RelayDouble, start_classic: Start):
    relay.account["push"] = False
    with relay.failing("stream", with_=Problem(403, "plan-required")):
        await start_classic()
    assert hass.states.get("sensor.tesla_model_y_battery_level").state == "57"
    assert len(relay.get_requests("/vehicles")) == 1


async def test_newer_of_two_entries_of_one_vehicle_is_kept(
    hass: HomeAssistant, relay: RelayDouble, start_classic: Start
):
    """After the vehicle was linked again, users had to add it to the classic integration again."""
    relay.records[TESLA]["vehicle"]["id"] = ENODE_IDS[LEAF]
    relay.records[TESLA]["former_ids"] = [ENODE_IDS[MODEL_Y]]
    relay.records[RENAULT]["vehicle"]["id"] = "x"
    await start_classic()
    assert get_unique_id(hass, "sensor.nissan_leaf_range") == f"{TESLA}_range"
    assert er.async_get(hass).async_get("sensor.tesla_model_y_range") is None
    assert dr.async_get(hass).async_get(DEVICES[LEAF]).identifiers == {(DOMAIN, TESLA)}
    assert "- `sensor.tesla_model_y_range` → `sensor.nissan_leaf_range`" in get_placeholders(hass)["entities"]
