"""What the sensors of a vehicle show, by what Enode reports."""

from typing import Any

import pytest
from helpers import SetupEntry, get_state, wait_for_state
from homeassistant.core import HomeAssistant
from relay_double import TESLA, RelayDouble, make_record

CHARGE_POWER = "sensor.blue_car_charge_power"


@pytest.mark.parametrize(
    ("charge_state", "expected"),
    [
        ({"isCharging": True, "chargeRate": 11.2}, "11.2"),
        ({"isCharging": True, "chargeRate": 0}, "0"),
        ({"isCharging": True, "chargeRate": None}, "unknown"),
        ({"isCharging": False, "chargeRate": None}, "0"),
        ({"isCharging": None, "chargeRate": None}, "unknown"),
        ({"isCharging": None, "chargeRate": 11.2}, "11.2"),
    ],
)
async def test_charge_power_is_zero_when_the_car_is_known_not_to_charge(
    hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry, *, charge_state: dict[str, Any], expected: str
):
    relay.records[TESLA] = make_record(TESLA, vehicle={"chargeState": charge_state})
    await setup_entry()
    assert get_state(hass, CHARGE_POWER) == expected


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        ("UNPLUGGED", "unplugged"),
        ("PLUGGED_IN:INITIALIZING", "initializing"),
        ("PLUGGED_IN:CHARGING", "charging"),
        ("PLUGGED_IN:STOPPED", "stopped"),
        ("PLUGGED_IN:COMPLETE", "complete"),
        ("PLUGGED_IN:NO_POWER", "no_power"),
        ("PLUGGED_IN:FAULT", "fault"),
        ("PLUGGED_IN:DISCHARGING", "discharging"),
        *[("UNKNOWN", "unknown"), ("PLUGGED_IN:ADDED_LATER", "unknown"), (None, "unknown")],
    ],
)
async def test_charging_state_has_the_words_of_enode(
    hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry, *, state: str | None, expected: str
):
    relay.records[TESLA] = make_record(TESLA, vehicle={"chargeState": {"powerDeliveryState": state}})
    await setup_entry()
    assert get_state(hass, "sensor.blue_car_charging_state") == expected


@pytest.mark.parametrize(
    "location", [{"latitude": None, "longitude": 5.1}, {"latitude": 52.1, "longitude": None}, {"latitude": "52.1"}]
)
async def test_location_is_known_only_with_both_coordinates(
    hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry, location: dict[str, Any]
):
    relay.records[TESLA] = make_record(TESLA, vehicle={"location": location})
    await setup_entry()
    assert get_state(hass, "device_tracker.blue_car_location") == "unknown"


async def test_missing_values_are_unknown_and_not_unavailable(
    hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry
):
    await setup_entry()
    relay.push_record(make_record(TESLA, 2, vehicle={"chargeState": None, "odometer": None, "location": None}))
    await wait_for_state(hass, "sensor.blue_car_battery_level", "unknown")
    states = {state.entity_id: state.state for state in hass.states.async_all() if "blue_car" in state.entity_id}
    known = {id_: state for id_, state in states.items() if state != "unknown"}
    assert known == {
        "binary_sensor.blue_car_reachable": "on",
        "sensor.blue_car_last_seen": "2026-11-20T18:04:11+00:00",
    }
