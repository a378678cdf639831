"""How messages from the stream change devices and entities."""

from functools import partial

import pytest
from helpers import (
    RENAULT_BATTERY,
    TESLA_BATTERY,
    SetupEntry,
    get_state,
    make_renault_record,
    make_tesla_record,
    wait_for_state,
    wait_until,
)
from homeassistant.const import EVENT_STATE_CHANGED, STATE_UNAVAILABLE
from homeassistant.core import HomeAssistant
from homeassistant.helpers import device_registry as dr
from homeassistant.helpers import entity_registry as er
from pytest_homeassistant_custom_component.common import MockConfigEntry, async_capture_events
from relay_double import ACCOUNT_ID, HYUNDAI, RENAULT, TESLA, RelayDouble, make_account, make_enode_vehicle, make_record

from custom_components.evconduit import coordinator
from custom_components.evconduit.const import DOMAIN


def record_updates(entry: MockConfigEntry) -> list[str]:
    """Return a list that receives the id of a vehicle each time its listeners are called."""
    updated: list[str] = []
    for vehicle_id, vehicle in entry.runtime_data.coordinator.vehicles.items():
        vehicle.async_add_listener(partial(updated.append, vehicle_id))
    return updated


async def test_update_writes_only_entities_of_one_vehicle(
    hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry
):
    updated = record_updates(await setup_entry())
    events = async_capture_events(hass, EVENT_STATE_CHANGED)
    relay.push_record(make_tesla_record(2, 58))
    await wait_for_state(hass, TESLA_BATTERY, "58")
    assert updated == [TESLA]
    # A tracker is written each time, because Home Assistant records that a position was confirmed.
    changed = {
        event.data["entity_id"] for event in events if event.data["old_state"].state != event.data["new_state"].state
    }
    assert changed == {TESLA_BATTERY, "sensor.blue_car_battery_energy"}
    assert all("blue_car" in event.data["entity_id"] for event in events)


async def test_older_revision_is_ignored(hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry):
    relay.records[TESLA] = make_tesla_record(5, 57)
    await setup_entry()
    relay.push_record(make_tesla_record(4, 40))
    relay.push_record(make_tesla_record(5, 41))
    relay.push_record(make_renault_record(2, 99))  # when this is applied, the messages before it are too
    await wait_for_state(hass, RENAULT_BATTERY, "99")
    assert get_state(hass, TESLA_BATTERY) == "57"
    relay.push_record(make_tesla_record(6, 60))
    await wait_for_state(hass, TESLA_BATTERY, "60")


async def test_snapshot_of_a_new_epoch_replaces_newer_revisions(
    hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry
):
    relay.records[TESLA] = make_tesla_record(50, 57)
    await setup_entry()
    relay.epoch = "e2"  # the relay was restored from a backup
    relay.records[TESLA] = make_tesla_record(3, 33)
    relay.break_streams()
    await wait_for_state(hass, TESLA_BATTERY, "33")
    relay.push_record(make_tesla_record(4, 34))
    await wait_for_state(hass, TESLA_BATTERY, "34")


async def test_snapshot_writes_only_changed_vehicles(hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry):
    updated = record_updates(await setup_entry())
    relay.records[TESLA] = make_tesla_record(2, 58)
    relay.break_streams()
    await wait_for_state(hass, TESLA_BATTERY, "58")
    assert updated == [TESLA]


async def test_new_vehicle_is_added(
    hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry, device_registry: dr.DeviceRegistry
):
    del relay.records[RENAULT]
    entry = await setup_entry()
    assert hass.states.get(RENAULT_BATTERY) is None
    relay.push_record(make_renault_record(9, 88))
    await wait_for_state(hass, RENAULT_BATTERY, "88")
    device = device_registry.async_get_device_by_identifier((DOMAIN, RENAULT), entry.entry_id)
    assert device is not None
    assert (device.name, device.manufacturer, device.model, device.serial_number) == (
        "Renault Zoe",
        "Renault",
        "Zoe",
        None,
    )


@pytest.mark.parametrize("reason", ["removed", "absent"])
async def test_removed_vehicle_is_removed_and_can_return(
    hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry, device_registry: dr.DeviceRegistry, reason: str
):
    entry = await setup_entry()
    before = device_registry.async_get_device_by_identifier((DOMAIN, RENAULT), entry.entry_id)
    assert before is not None
    if reason == "removed":
        relay.remove_vehicle(RENAULT)
    else:
        del relay.records[RENAULT]
        relay.break_streams()
    await wait_until(lambda: hass.states.get(RENAULT_BATTERY) is None)
    await hass.async_block_till_done()
    assert device_registry.async_get_device_by_identifier((DOMAIN, RENAULT), entry.entry_id) is None
    assert get_state(hass, TESLA_BATTERY) == "57"
    assert device_registry.async_get_device_by_identifier((DOMAIN, ACCOUNT_ID), entry.entry_id)
    relay.push_record(make_renault_record(9, 88))
    await wait_for_state(hass, RENAULT_BATTERY, "88")
    after = device_registry.async_get_device_by_identifier((DOMAIN, RENAULT), entry.entry_id)
    assert after is not None
    assert after.id == before.id


async def test_vehicle_removed_while_unloaded_is_removed(
    hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry, device_registry: dr.DeviceRegistry
):
    entry = await setup_entry()
    await hass.config_entries.async_unload(entry.entry_id)
    del relay.records[RENAULT]
    await hass.config_entries.async_setup(entry.entry_id)
    assert device_registry.async_get_device_by_identifier((DOMAIN, RENAULT), entry.entry_id) is None


async def test_removal_of_an_unknown_vehicle_is_ignored(
    hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry
):
    await setup_entry()
    relay.send("vehicle_removed", {"id": "unknown"})
    relay.push_record(make_tesla_record(2, 58))
    await wait_for_state(hass, TESLA_BATTERY, "58")


async def test_gained_capability_adds_entities_and_a_lost_one_keeps_them(
    hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry
):
    entry = await setup_entry()
    assert hass.states.get("switch.renault_zoe_charging") is None
    able = {"startCharging": {"isCapable": True, "interventionIds": []}}
    relay.push_record(make_record(RENAULT, 2, vehicle={"capabilities": able}))
    await wait_for_state(hass, "switch.renault_zoe_charging", "off")
    relay.push_record(make_record(RENAULT, 3, vehicle={"chargeState": {"batteryLevel": 42}}))
    await wait_for_state(hass, RENAULT_BATTERY, "42")
    assert get_state(hass, "switch.renault_zoe_charging") == "off"
    await hass.config_entries.async_reload(entry.entry_id)
    assert get_state(hass, "switch.renault_zoe_charging") == "off"


@pytest.mark.parametrize("capability", ["startCharging", "stopCharging"])
async def test_vehicle_with_one_of_the_charging_commands_has_a_switch(
    hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry, capability: str
):
    able = {capability: {"isCapable": True, "interventionIds": []}}
    relay.records[RENAULT] = make_record(RENAULT, vehicle={"capabilities": able})
    await setup_entry()
    assert get_state(hass, "switch.renault_zoe_charging") == "off"


async def test_device_is_renamed(
    hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry, device_registry: dr.DeviceRegistry
):
    entry = await setup_entry()

    def get_device_name() -> str | None:
        device = device_registry.async_get_device_by_identifier((DOMAIN, HYUNDAI), entry.entry_id)
        return device.name if device else None

    assert get_device_name() == "Hyundai"
    relay.push_record(make_record(HYUNDAI, 2, vehicle={"information": {"brand": "Hyundai", "model": "Kona"}}))
    await wait_until(lambda: get_device_name() == "Hyundai Kona")
    relay.push_record(make_record(HYUNDAI, 3, vehicle={"information": {"displayName": "Koni"}}))
    await wait_until(lambda: get_device_name() == "Koni")


@pytest.mark.parametrize(
    ("enode", "name"),
    [
        (None, "Vehicle"),
        ({}, "Vehicle"),
        ({"vendor": "BMW"}, "BMW"),
        ({"vendor": "FORD"}, "Ford"),
        ({"information": {"brand": "Kia"}}, "Kia"),
        ({"information": {"model": "EV6"}}, "EV6"),
        ({"vendor": "TESLA"}, "Tesla"),
        ({"vendor": "TESLA", "information": {"model": "Model Y"}}, "Tesla Model Y"),
        ({"vendor": "VOLKSWAGEN", "information": {"brand": "VW", "model": "ID.3"}}, "VW ID.3"),
        ({"vendor": "TESLA", "information": {"brand": "Tesla", "displayName": "Nikola"}}, "Nikola"),
    ],
)
async def test_device_is_named_by_owner_or_else_by_manufacturer_and_model(
    relay: RelayDouble, setup_entry: SetupEntry, device_registry: dr.DeviceRegistry, enode, name: str
):
    relay.records = {TESLA: make_record(TESLA) | {"vehicle": enode}}
    entry = await setup_entry()
    device = device_registry.async_get_device_by_identifier((DOMAIN, TESLA), entry.entry_id)
    assert device is not None
    assert device.name == name


async def test_vehicles_are_connected_via_the_account_device(
    hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry, device_registry: dr.DeviceRegistry
):
    entry = await setup_entry()
    service = device_registry.async_get_device_by_identifier((DOMAIN, ACCOUNT_ID), entry.entry_id)
    tesla = device_registry.async_get_device_by_identifier((DOMAIN, TESLA), entry.entry_id)
    assert service is not None
    assert tesla is not None
    assert service.entry_type is dr.DeviceEntryType.SERVICE
    assert service.configuration_url == relay.url
    assert tesla.via_device_id == service.id
    relay.send("account", make_account(title="Renamed", relay={"version": "0.2.0"}))

    def is_renamed() -> bool:
        device = device_registry.async_get(service.id)
        return device is not None and (device.name, device.sw_version) == ("Renamed", "0.2.0")

    await wait_until(is_renamed)


async def test_vehicle_over_the_limit_is_unavailable(hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry):
    await setup_entry()
    relay.push_record(make_tesla_record(2, 58, link={"state": "over_limit", "since": None}))
    await wait_for_state(hass, TESLA_BATTERY, STATE_UNAVAILABLE)
    relay.push_record(make_tesla_record(3, 59, link={"state": "broken", "since": None}))
    await wait_for_state(hass, TESLA_BATTERY, "59")


async def test_sleeping_vehicle_stays_available(hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry):
    await setup_entry()
    relay.push_record(make_record(TESLA, 2, vehicle={"isReachable": False}))
    await wait_for_state(hass, "binary_sensor.blue_car_reachable", "off")
    assert get_state(hass, TESLA_BATTERY) == "57"


async def test_transition_advances_the_cursor(hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry):
    entry = await setup_entry()
    relay.send("transition", {"vehicle_id": TESLA, "type": "unplugged", "occurred_at": None, "replayed": False})
    await wait_until(lambda: entry.runtime_data.stream.received["Transition"])
    assert entry.runtime_data.coordinator.cursor == "e1.2"


async def test_bug_triggered_by_one_message_does_not_end_the_stream(
    hass: HomeAssistant,
    relay: RelayDouble,
    setup_entry: SetupEntry,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
):
    entry = await setup_entry()
    with monkeypatch.context() as broken:
        broken.setattr(coordinator, "async_register_vehicle", None)
        relay.push_record(make_record(HYUNDAI, 2, vehicle={"information": {"model": "Kona"}}))
        await wait_until(lambda: "Failed to apply a message" in caplog.text)
    relay.push_record(make_tesla_record(2, 58))
    await wait_for_state(hass, TESLA_BATTERY, "58")
    assert entry.runtime_data.coordinator.is_streaming


async def test_entity_customization_survives_unlinking_and_linking(
    hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry, entity_registry: er.EntityRegistry
):
    await setup_entry()
    entity_registry.async_update_entity(RENAULT_BATTERY, new_entity_id="sensor.my_zoe", name="Mine")
    await hass.async_block_till_done()
    relay.remove_vehicle(RENAULT)
    await wait_until(lambda: hass.states.get("sensor.my_zoe") is None)
    relay.push_record(
        make_renault_record(9, 88) | {"vehicle": make_enode_vehicle(RENAULT) | {"id": "a new id at Enode"}}
    )
    await wait_for_state(hass, "sensor.my_zoe", "100")
