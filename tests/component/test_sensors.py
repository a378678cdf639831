"""What the sensors of a vehicle show, by what Enode reports."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from helpers import SetupEntry, get_state, wait_for_state
from homeassistant.const import EVENT_STATE_CHANGED
from homeassistant.core import HomeAssistant
from homeassistant.helpers import entity_registry as er
from pytest_homeassistant_custom_component.common import async_capture_events
from relay_double import TESLA, RelayDouble, make_record

LAST_SEEN = "sensor.blue_car_last_seen"
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
        *[
            ({"isCharging": None, "chargeRate": None, "powerDeliveryState": state}, "0")
            for state in ("UNPLUGGED", "PLUGGED_IN:INITIALIZING", "PLUGGED_IN:STOPPED", "PLUGGED_IN:DISCHARGING")
        ],
        ({"isCharging": None, "chargeRate": None, "powerDeliveryState": "UNKNOWN"}, "unknown"),
        ({"isCharging": None, "chargeRate": None, "powerDeliveryState": "UNKNOWN", "isPluggedIn": False}, "0"),
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
        "sensor.blue_car_link_state": "ok",
    }


async def test_every_number_has_a_display_precision(
    hass: HomeAssistant, setup_entry: SetupEntry, entity_registry: er.EntityRegistry
):
    """A limit of 90 percent is shown as 90, also if the car reports 90.0."""
    await setup_entry()
    precisions = {}
    for state in hass.states.async_all("sensor"):
        if "unit_of_measurement" in state.attributes and "blue_car" in state.entity_id:
            entry = entity_registry.async_get(state.entity_id)
            assert entry is not None
            precisions[entry.unique_id.removeprefix(f"{TESLA}_")] = entry.options["sensor"][
                "suggested_display_precision"
            ]
    assert precisions == {
        "battery_level": 0,
        "range": 0,
        "charge_power": 1,
        "charge_time_remaining": 0,
        "charge_limit": 0,
        "battery_capacity": 1,
        "battery_energy": 1,
        "charge_energy_total": 1,
        "odometer": 0,
    }


async def test_last_seen_advances_in_steps(hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry):
    """A car that charges for two hours reports every minute. Each change would be a row in the logbook."""
    start = datetime(2026, 11, 20, 18, tzinfo=UTC)
    relay.records[TESLA] = make_record(TESLA, vehicle={"lastSeen": start.isoformat()})
    await setup_entry()
    events = async_capture_events(hass, EVENT_STATE_CHANGED)
    for minute in range(1, 121):
        vehicle = {"lastSeen": (start + timedelta(minutes=minute)).isoformat(), "chargeState": {"range": minute}}
        relay.push_record(make_record(TESLA, minute + 1, vehicle=vehicle))
    await wait_for_state(hass, "sensor.blue_car_range", "120")
    shown = [event.data["new_state"].state for event in events if event.data["entity_id"] == LAST_SEEN]
    assert len(shown) == 8
    assert shown[-1] == (start + timedelta(minutes=120)).isoformat()


@pytest.mark.parametrize(
    ("minutes", "is_reachable", "is_shown"),
    [(1, True, False), (14, True, False), (15, True, True), (1, False, True), (-1, True, True), (None, True, True)],
)
async def test_last_seen_is_at_most_15_minutes_behind(
    hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry, *, minutes: int | None, is_reachable: bool,
    is_shown: bool,
):  # fmt: skip
    """It is exact when the car becomes unreachable, because it may be the last report for days."""
    start = datetime(2026, 11, 20, 18, tzinfo=UTC)
    relay.records[TESLA] = make_record(TESLA, vehicle={"lastSeen": start.isoformat(), "isReachable": True})
    await setup_entry()
    last_seen = None if minutes is None else (start + timedelta(minutes=minutes)).isoformat()
    vehicle = {"lastSeen": last_seen, "isReachable": is_reachable, "chargeState": {"range": 7}}
    relay.push_record(make_record(TESLA, 2, vehicle=vehicle))
    await wait_for_state(hass, "sensor.blue_car_range", "7")
    assert get_state(hass, LAST_SEEN) == ((last_seen or "unknown") if is_shown else start.isoformat())
