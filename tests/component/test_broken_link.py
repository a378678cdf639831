"""What a car shows whose maker doesn't give access any more."""

from datetime import UTC, datetime, timedelta

import pytest
from freezegun.api import FrozenDateTimeFactory
from helpers import SetupEntry, advance_time, get_state, wait_for_state, wait_until
from homeassistant.core import HomeAssistant
from relay_double import HYUNDAI, RENAULT, TESLA, RelayDouble, make_record

BROKEN_AT = datetime(2026, 11, 20, 18, tzinfo=UTC)
ENERGY = {"lifetime_kwh": 312.5, "home_kwh": 280.125, "discharged_kwh": 0}
BATTERY = "sensor.blue_car_battery_level"
SECOND = timedelta(seconds=1)
SHOWN = {
    "sensor.blue_car_charge_energy_home": "280.125",
    "sensor.blue_car_charge_energy_total": "312.5",
    "sensor.blue_car_last_seen": "2026-11-20T18:04:11+00:00",
    "sensor.blue_car_link_state": "broken",
}


def make_broken(revision: int = 1, since: datetime | None = BROKEN_AT) -> dict:
    link = {"state": "broken", "since": since and since.isoformat()}
    return make_record(TESLA, revision, link=link, energy=ENERGY)


def get_available(hass: HomeAssistant) -> dict[str, str]:
    states = {state.entity_id: state.state for state in hass.states.async_all() if "blue_car" in state.entity_id}
    return {id_: state for id_, state in states.items() if state != "unavailable"}


@pytest.fixture(autouse=True)
def time(relay: RelayDouble, freezer: FrozenDateTimeFactory) -> None:
    freezer.move_to(BROKEN_AT)
    for vehicle_id in (HYUNDAI, RENAULT):
        del relay.records[vehicle_id]


async def test_live_entities_are_unavailable_after_24_hours(
    hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry, freezer: FrozenDateTimeFactory
):
    relay.records[TESLA] = make_broken()
    entry = await setup_entry()
    assert get_state(hass, BATTERY) == "57"
    await advance_time(hass, freezer, timedelta(hours=24) - SECOND)
    assert get_state(hass, BATTERY) == "57"
    await advance_time(hass, freezer, 2 * SECOND)
    assert get_available(hass) == SHOWN
    await hass.config_entries.async_reload(entry.entry_id)
    await hass.async_block_till_done()
    assert get_available(hass) == SHOWN


async def test_relinked_car_is_available_at_once(
    hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry, freezer: FrozenDateTimeFactory
):
    relay.records[TESLA] = make_broken(since=BROKEN_AT - timedelta(days=3))
    await setup_entry()
    assert get_available(hass) == SHOWN
    relay.push_record(make_record(TESLA, 2))
    await wait_for_state(hass, BATTERY, "57")
    await advance_time(hass, freezer, timedelta(hours=25))
    assert get_state(hass, BATTERY) == "57"


async def test_grace_counts_from_the_break_whatever_else_changes(
    hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry, freezer: FrozenDateTimeFactory
):
    relay.records[TESLA] = make_broken()
    await setup_entry()
    await advance_time(hass, freezer, timedelta(hours=23))
    changed = make_broken(2)
    changed["vehicle"]["chargeState"]["range"] = 7
    relay.push_record(changed)
    await wait_for_state(hass, "sensor.blue_car_range", "7")
    await advance_time(hass, freezer, timedelta(hours=1))
    assert get_state(hass, BATTERY) == "unavailable"


async def test_break_without_a_time_counts_from_now(
    hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry, freezer: FrozenDateTimeFactory
):
    relay.records[TESLA] = make_broken(since=None)
    await setup_entry()
    await advance_time(hass, freezer, timedelta(hours=23))
    assert get_state(hass, BATTERY) == "57"
    await advance_time(hass, freezer, timedelta(hours=1, seconds=1))
    assert get_state(hass, BATTERY) == "unavailable"


async def test_removed_car_leaves_no_timer(
    hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry, freezer: FrozenDateTimeFactory
):
    """The test's cleanup fails on timers that are left."""
    relay.records[TESLA] = make_broken()
    entry = await setup_entry()
    relay.remove_vehicle(TESLA)
    await wait_until(lambda: not entry.runtime_data.coordinator.vehicles)


async def test_car_over_the_plans_limit_shows_only_its_link(
    hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry
):
    relay.records[TESLA] = make_record(TESLA, link={"state": "over_limit", "since": BROKEN_AT.isoformat()})
    await setup_entry()
    assert get_available(hass) == {"sensor.blue_car_link_state": "over_limit"}
