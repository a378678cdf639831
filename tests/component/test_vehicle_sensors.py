"""Values that the integration derives from what a vehicle reports."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from helpers import SetupEntry, get_state, wait_for_state
from homeassistant.core import HomeAssistant
from homeassistant.helpers import entity_registry as er
from relay_double import TESLA, RelayDouble, make_record

from custom_components.evconduit.client import JsonReader, VehicleRecord
from custom_components.evconduit.vehicle_sensors import get_battery_energy, get_charge_end_time, get_evcc_status

REPORTED_AT = datetime(2026, 11, 20, 18, tzinfo=UTC)
END_TIME = "sensor.blue_car_charge_end_time"


def parse_record(**charge_state: Any) -> VehicleRecord:
    return VehicleRecord.parse(JsonReader(make_record(TESLA, vehicle={"chargeState": charge_state})))


@pytest.mark.parametrize(
    ("is_plugged_in", "is_charging", "state", "expected"),
    [
        (False, False, "UNPLUGGED", "a"),
        (True, False, "PLUGGED_IN:STOPPED", "b"),
        (True, True, "PLUGGED_IN:CHARGING", "c"),
        *[(True, False, f"PLUGGED_IN:{state}", "b") for state in ("COMPLETE", "FAULT", "NO_POWER", "DISCHARGING")],
        # The flags are corrected by the relay, so they win.
        (True, False, "PLUGGED_IN:CHARGING", "b"),
        (False, False, "UNKNOWN", "a"),
        (True, None, "UNKNOWN", "b"),
        (None, True, "UNKNOWN", "c"),
        (True, None, "PLUGGED_IN:CHARGING", "c"),
        (None, None, "UNPLUGGED", "a"),
        (None, None, "PLUGGED_IN:INITIALIZING", "b"),
        (None, False, "UNKNOWN", None),
        (None, None, None, None),
    ],
)
def test_evcc_status(*, is_plugged_in: bool | None, is_charging: bool | None, state: str | None, expected: str | None):
    record = parse_record(isPluggedIn=is_plugged_in, isCharging=is_charging, powerDeliveryState=state)
    assert get_evcc_status(record) == expected


@pytest.mark.parametrize(
    ("level", "capacity", "expected"), [(50, 60, 30), (0, 60, 0), (100, 57.5, 57.5), (None, 60, None), (50, None, None)]
)
def test_battery_energy_is_level_times_capacity(level: float | None, capacity: float | None, expected: float | None):
    assert get_battery_energy(parse_record(batteryLevel=level, batteryCapacity=capacity)) == expected


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, REPORTED_AT + timedelta(minutes=115)),
        ({"chargeTimeRemaining": 0}, REPORTED_AT),
        ({"chargeTimeRemaining": None}, None),
        ({"chargeTimeRemaining": 1e15}, None),
        ({"lastUpdated": None}, None),
        ({"isCharging": False}, None),
        ({"isCharging": None}, None),
    ],
)
def test_end_of_charging_counts_from_the_report(changes: dict[str, Any], expected: datetime | None):
    assert get_charge_end_time(parse_record(**{"lastUpdated": REPORTED_AT.isoformat()} | changes)) == expected


@pytest.mark.parametrize(
    ("minutes", "is_shown"), [(1, False), (-1, False), (4, False), (-4, False), (5, True), (-5, True), (60, True)]
)
async def test_end_of_charging_ignores_small_changes(
    hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry, *, minutes: int, is_shown: bool
):
    charging = {"lastUpdated": REPORTED_AT.isoformat(), "chargeTimeRemaining": 100}
    relay.records[TESLA] = make_record(TESLA, vehicle={"chargeState": charging})
    await setup_entry()
    changed = charging | {"chargeTimeRemaining": 100 + minutes, "range": 7}
    relay.push_record(make_record(TESLA, 2, vehicle={"chargeState": changed}))
    await wait_for_state(hass, "sensor.blue_car_range", "7")
    expected = REPORTED_AT + timedelta(minutes=100 + (minutes if is_shown else 0))
    assert get_state(hass, END_TIME) == expected.isoformat()
    relay.push_record(make_record(TESLA, 3, vehicle={"chargeState": charging | {"isCharging": False}}))
    await wait_for_state(hass, END_TIME, "unknown")


async def test_number_of_corrections_has_no_attributes(
    hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry, entity_registry: er.EntityRegistry
):
    """The names are in the diagnostics: as attributes, each change of them would be stored."""
    entity_id = "sensor.blue_car_corrections"
    relay.records[TESLA] = make_record(TESLA, corrections=["chargeState.isCharging", "odometer.distance"])
    entry = await setup_entry()
    assert hass.states.get(entity_id) is None
    entity_registry.async_update_entity(entity_id, disabled_by=None)
    await hass.config_entries.async_reload(entry.entry_id)
    await hass.async_block_till_done()
    state = hass.states.get(entity_id)
    assert state is not None
    assert (state.state, set(state.attributes)) == ("2", {"friendly_name"})


async def test_entities_that_few_people_need_are_disabled(
    hass: HomeAssistant, setup_entry: SetupEntry, entity_registry: er.EntityRegistry
):
    await setup_entry()
    disabled = {entry.unique_id for entry in entity_registry.entities.values() if entry.disabled_by is not None}
    keys = ("corrections", "charging_updated", "location_updated", "odometer_updated")
    assert {f"{TESLA}_{key}" for key in keys} == {id_ for id_ in disabled if id_.startswith(TESLA)}
