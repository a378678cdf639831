"""What the stream tells, and what Home Assistant then shows."""

from functools import partial

import pytest
from helpers import RENAULT_BATTERY, TESLA_BATTERY, SetUp, eventually, renault, shows, tesla, value
from homeassistant.const import EVENT_STATE_CHANGED, STATE_UNAVAILABLE
from homeassistant.core import HomeAssistant
from homeassistant.helpers import device_registry as dr
from homeassistant.helpers import entity_registry as er
from pytest_homeassistant_custom_component.common import MockConfigEntry, async_capture_events
from relay_double import ACCOUNT_ID, HYUNDAI, RENAULT, TESLA, RelayDouble, account, car, record

from custom_components.evconduit import coordinator
from custom_components.evconduit.const import DOMAIN


def listen_to_cars(entry: MockConfigEntry) -> list[str]:
    """The ids of the cars whose listeners are called, as they are."""
    told: list[str] = []
    for vehicle_id, vehicle in entry.runtime_data.coordinator.vehicles.items():
        vehicle.async_add_listener(partial(told.append, vehicle_id))
    return told


async def test_a_push_writes_only_what_changed_of_one_car(hass: HomeAssistant, relay: RelayDouble, set_up: SetUp):
    told = listen_to_cars(await set_up())
    events = async_capture_events(hass, EVENT_STATE_CHANGED)
    relay.push(tesla(2, 58))
    await shows(hass, TESLA_BATTERY, "58")
    assert told == [TESLA]
    # A tracker is written each time: Home Assistant wants to see that a position was confirmed.
    changed = {it.data["entity_id"] for it in events if it.data["old_state"].state != it.data["new_state"].state}
    assert changed == {TESLA_BATTERY}
    assert all("blue_car" in it.data["entity_id"] for it in events)


async def test_what_is_not_newer_is_dropped(hass: HomeAssistant, relay: RelayDouble, set_up: SetUp):
    relay.records[TESLA] = tesla(5, 57)
    await set_up()
    relay.push(tesla(4, 40))
    relay.push(tesla(5, 41))
    relay.push(renault(2, 99))  # what is told after it has been seen means that it has been seen
    await shows(hass, RENAULT_BATTERY, "99")
    assert value(hass, TESLA_BATTERY) == "57"
    relay.push(tesla(6, 60))
    await shows(hass, TESLA_BATTERY, "60")


async def test_a_snapshot_is_the_truth_even_when_it_is_older(hass: HomeAssistant, relay: RelayDouble, set_up: SetUp):
    relay.records[TESLA] = tesla(50, 57)
    await set_up()
    relay.records[TESLA] = tesla(3, 33)  # the relay was restored from a backup
    relay.break_streams()
    await shows(hass, TESLA_BATTERY, "33")
    relay.push(tesla(4, 34))
    await shows(hass, TESLA_BATTERY, "34")


async def test_a_snapshot_writes_only_the_cars_that_changed(hass: HomeAssistant, relay: RelayDouble, set_up: SetUp):
    told = listen_to_cars(await set_up())
    relay.records[TESLA] = tesla(2, 58)
    relay.break_streams()
    await shows(hass, TESLA_BATTERY, "58")
    assert told == [TESLA]


async def test_a_new_car_appears(
    hass: HomeAssistant, relay: RelayDouble, set_up: SetUp, device_registry: dr.DeviceRegistry
):
    del relay.records[RENAULT]
    entry = await set_up()
    assert hass.states.get(RENAULT_BATTERY) is None
    relay.push(renault(9, 88))
    await shows(hass, RENAULT_BATTERY, "88")
    device = device_registry.async_get_device_by_identifier((DOMAIN, RENAULT), entry.entry_id)
    assert device is not None
    assert (device.name, device.manufacturer, device.model, device.serial_number) == (
        "Renault Zoe",
        "Renault",
        "Zoe",
        None,
    )


@pytest.mark.parametrize("how", ["removed", "absent"])
async def test_a_car_that_is_gone_goes_and_may_come_back(
    hass: HomeAssistant, relay: RelayDouble, set_up: SetUp, device_registry: dr.DeviceRegistry, how: str
):
    entry = await set_up()
    before = device_registry.async_get_device_by_identifier((DOMAIN, RENAULT), entry.entry_id)
    assert before is not None
    if how == "removed":
        relay.remove(RENAULT)
    else:
        del relay.records[RENAULT]
        relay.break_streams()
    await eventually(lambda: hass.states.get(RENAULT_BATTERY) is None)
    await hass.async_block_till_done()
    assert device_registry.async_get_device_by_identifier((DOMAIN, RENAULT), entry.entry_id) is None
    assert value(hass, TESLA_BATTERY) == "57"
    assert device_registry.async_get_device_by_identifier((DOMAIN, ACCOUNT_ID), entry.entry_id)
    relay.push(renault(9, 88))
    await shows(hass, RENAULT_BATTERY, "88")
    after = device_registry.async_get_device_by_identifier((DOMAIN, RENAULT), entry.entry_id)
    assert after is not None
    assert after.id == before.id


async def test_a_car_that_went_while_we_were_away(
    hass: HomeAssistant, relay: RelayDouble, set_up: SetUp, device_registry: dr.DeviceRegistry
):
    entry = await set_up()
    await hass.config_entries.async_unload(entry.entry_id)
    del relay.records[RENAULT]
    await hass.config_entries.async_setup(entry.entry_id)
    assert device_registry.async_get_device_by_identifier((DOMAIN, RENAULT), entry.entry_id) is None


async def test_the_removal_of_an_unknown_car_is_nothing(hass: HomeAssistant, relay: RelayDouble, set_up: SetUp):
    await set_up()
    relay.say("vehicle_removed", {"id": "nobody"})
    relay.push(tesla(2, 58))
    await shows(hass, TESLA_BATTERY, "58")


async def test_a_car_that_learns_something_gets_entities_and_one_that_forgets_keeps_them(
    hass: HomeAssistant, relay: RelayDouble, set_up: SetUp
):
    entry = await set_up()
    assert hass.states.get("switch.renault_zoe_charging") is None
    able = {"startCharging": {"isCapable": True, "interventionIds": []}}
    relay.push(record(RENAULT, 2, vehicle={"capabilities": able}))
    await shows(hass, "switch.renault_zoe_charging", "off")
    relay.push(record(RENAULT, 3, vehicle={"chargeState": {"batteryLevel": 42}}))
    await shows(hass, RENAULT_BATTERY, "42")
    assert value(hass, "switch.renault_zoe_charging") == "off"
    await hass.config_entries.async_reload(entry.entry_id)
    assert value(hass, "switch.renault_zoe_charging") == "off"


async def test_a_car_takes_the_name_its_owner_gave_it(
    hass: HomeAssistant, relay: RelayDouble, set_up: SetUp, device_registry: dr.DeviceRegistry
):
    entry = await set_up()

    def name() -> str | None:
        device = device_registry.async_get_device_by_identifier((DOMAIN, HYUNDAI), entry.entry_id)
        return device.name if device else None

    assert name() == "Hyundai"
    relay.push(record(HYUNDAI, 2, vehicle={"information": {"brand": "Hyundai", "model": "Kona"}}))
    await eventually(lambda: name() == "Hyundai Kona")
    relay.push(record(HYUNDAI, 3, vehicle={"information": {"displayName": "Koni"}}))
    await eventually(lambda: name() == "Koni")


@pytest.mark.parametrize(
    ("enode", "name"),
    [
        (None, "Vehicle"),
        ({}, "Vehicle"),
        ({"vendor": "BMW"}, "BMW"),
        ({"vendor": "TESLA"}, "Tesla"),
        ({"vendor": "TESLA", "information": {"model": "Model Y"}}, "Tesla Model Y"),
        ({"vendor": "VOLKSWAGEN", "information": {"brand": "VW", "model": "ID.3"}}, "VW ID.3"),
        ({"vendor": "TESLA", "information": {"brand": "Tesla", "displayName": "Nikola"}}, "Nikola"),
    ],
)
async def test_a_car_is_called_by_the_best_name_there_is(
    relay: RelayDouble, set_up: SetUp, device_registry: dr.DeviceRegistry, enode, name: str
):
    relay.records = {TESLA: record(TESLA) | {"vehicle": enode}}
    entry = await set_up()
    device = device_registry.async_get_device_by_identifier((DOMAIN, TESLA), entry.entry_id)
    assert device is not None
    assert device.name == name


async def test_the_account_is_a_service_with_the_cars_behind_it(
    hass: HomeAssistant, relay: RelayDouble, set_up: SetUp, device_registry: dr.DeviceRegistry
):
    entry = await set_up()
    service = device_registry.async_get_device_by_identifier((DOMAIN, ACCOUNT_ID), entry.entry_id)
    tesla_ = device_registry.async_get_device_by_identifier((DOMAIN, TESLA), entry.entry_id)
    assert service is not None
    assert tesla_ is not None
    assert service.entry_type is dr.DeviceEntryType.SERVICE
    assert tesla_.via_device_id == service.id
    relay.say("account", account(title="Renamed", relay={"version": "0.2.0"}))

    def renamed() -> bool:
        found = device_registry.async_get(service.id)
        return found is not None and (found.name, found.sw_version) == ("Renamed", "0.2.0")

    await eventually(renamed)


async def test_a_car_beyond_the_plan_is_listed_and_not_served(hass: HomeAssistant, relay: RelayDouble, set_up: SetUp):
    await set_up()
    relay.push(tesla(2, 58, link={"state": "over_limit", "since": None}))
    await shows(hass, TESLA_BATTERY, STATE_UNAVAILABLE)
    relay.push(tesla(3, 59, link={"state": "broken", "since": None}))
    await shows(hass, TESLA_BATTERY, "59")


async def test_a_sleeping_car_stays_available(hass: HomeAssistant, relay: RelayDouble, set_up: SetUp):
    await set_up()
    relay.push(record(TESLA, 2, vehicle={"isReachable": False}))
    await shows(hass, "binary_sensor.blue_car_reachable", "off")
    assert value(hass, TESLA_BATTERY) == "57"


async def test_a_transition_is_taken_note_of(hass: HomeAssistant, relay: RelayDouble, set_up: SetUp):
    entry = await set_up()
    relay.say("transition", {"vehicle_id": TESLA, "type": "unplugged", "occurred_at": None, "replayed": False})
    await eventually(lambda: entry.runtime_data.stream.received["Transition"])
    assert entry.runtime_data.coordinator.cursor == "e1.2"


async def test_a_fault_in_one_message_does_not_end_the_stream(
    hass: HomeAssistant,
    relay: RelayDouble,
    set_up: SetUp,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
):
    entry = await set_up()
    with monkeypatch.context() as broken:
        broken.setattr(coordinator, "async_register_vehicle", None)
        relay.push(record(HYUNDAI, 2, vehicle={"information": {"model": "Kona"}}))
        await eventually(lambda: "Failed to apply a message" in caplog.text)
    relay.push(tesla(2, 58))
    await shows(hass, TESLA_BATTERY, "58")
    assert entry.runtime_data.coordinator.is_streaming


async def test_entity_ids_and_names_survive_unlinking_and_linking_again(
    hass: HomeAssistant, relay: RelayDouble, set_up: SetUp, entity_registry: er.EntityRegistry
):
    await set_up()
    entity_registry.async_update_entity(RENAULT_BATTERY, new_entity_id="sensor.my_zoe", name="Mine")
    await hass.async_block_till_done()
    relay.remove(RENAULT)
    await eventually(lambda: hass.states.get("sensor.my_zoe") is None)
    relay.push(renault(9, 88) | {"vehicle": car(RENAULT) | {"id": "a new one at Enode"}})
    await shows(hass, "sensor.my_zoe", "100")
