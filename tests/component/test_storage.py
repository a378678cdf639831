"""The last state is stored soon after a change, and read back only for the same account."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from freezegun.api import FrozenDateTimeFactory
from helpers import SetupEntry, advance_time, make_tesla_record, wait_for_state
from homeassistant.config_entries import ConfigEntryState
from homeassistant.core import HomeAssistant
from pytest_homeassistant_custom_component.common import MockConfigEntry
from relay_double import ACCOUNT_ID, TESLA, RelayDouble, make_account, make_record

from custom_components.evconduit.const import DOMAIN
from custom_components.evconduit.storage import SnapshotStore

KEY = f"{DOMAIN}.entry"
POLL_AT = "2026-11-20T19:00:00+00:00"


async def test_change_is_stored_within_a_minute(
    hass: HomeAssistant, relay: RelayDouble, *, setup_entry: SetupEntry, freezer: FrozenDateTimeFactory, hass_storage
):
    entry = await setup_entry()
    relay.push_record(make_tesla_record(2, 58))
    await wait_for_state(hass, "sensor.blue_car_battery_level", "58")
    await advance_time(hass, freezer, timedelta(seconds=59))
    assert f"{DOMAIN}.{entry.entry_id}" not in hass_storage
    await advance_time(hass, freezer, timedelta(seconds=2))
    stored = hass_storage[f"{DOMAIN}.{entry.entry_id}"]
    assert (stored["version"], stored["data"]["cursor"], stored["data"]["poll_at"]) == (1, "e1.2", None)
    assert stored["data"]["vehicles"][0] == relay.records[TESLA]
    assert stored["data"]["account"] == relay.account


@pytest.mark.parametrize(
    ("changes", "cursor", "next_poll_at"),
    [
        ({}, "e1.41", datetime(2026, 11, 20, 19, tzinfo=UTC)),
        ({"cursor": None, "poll_at": None}, None, None),
        ({"cursor": 7, "poll_at": "sometime"}, None, None),
    ],
)
async def test_stored_state_is_loaded(
    hass: HomeAssistant, hass_storage, *, changes: dict[str, Any], cursor: str | None, next_poll_at: datetime | None
):
    data = {"account": make_account(), "vehicles": [make_record(TESLA)], "cursor": "e1.41", "poll_at": POLL_AT}
    hass_storage[KEY] = {"version": 1, "key": KEY, "data": data | changes}
    state = await SnapshotStore(hass, "entry").async_load(ACCOUNT_ID)
    assert state is not None
    assert [vehicle.id for vehicle in state.snapshot.vehicles] == [TESLA]
    assert (state.cursor, state.next_poll_at) == (cursor, next_poll_at)


async def test_state_of_another_account_is_not_loaded(hass: HomeAssistant, hass_storage):
    hass_storage[KEY] = {"version": 1, "key": KEY, "data": {"account": make_account(), "vehicles": []}}
    assert await SnapshotStore(hass, "entry").async_load(ACCOUNT_ID)
    assert await SnapshotStore(hass, "entry").async_load("another") is None
    assert await SnapshotStore(hass, "another").async_load(ACCOUNT_ID) is None


async def test_state_is_stored_every_minute_under_steady_traffic(
    hass: HomeAssistant, relay: RelayDouble, *, setup_entry: SetupEntry, freezer: FrozenDateTimeFactory, hass_storage
):
    entry = await setup_entry()
    stored = []
    for number in range(2, 20):
        relay.push_record(make_tesla_record(number, 50 + number))
        await wait_for_state(hass, "sensor.blue_car_battery_level", str(50 + number))
        await advance_time(hass, freezer, timedelta(seconds=15))
        data = hass_storage.get(f"{DOMAIN}.{entry.entry_id}", {}).get("data")
        stored.append(data and data["vehicles"][0]["revision"])
    assert stored[3] is None or stored[3] >= 2
    assert stored[4] is not None
    assert stored[-1] >= 15


@pytest.mark.parametrize(
    "changes",
    [
        {"version": 2},
        {"version": 99, "minor_version": 7},
        {"version": 0},
        {"version": "later"},
        {"version": None},
        {"data": ["another", "form"]},
        {"data": None},
    ],
)
async def test_store_that_cannot_be_read_is_ignored_and_replaced(
    hass: HomeAssistant, entry: MockConfigEntry, setup_entry: SetupEntry, *, hass_storage, changes: dict[str, Any]
):
    """It is a cache. A later version may have written it before the user went back to this one."""
    key = f"{DOMAIN}.{entry.entry_id}"
    data = {"account": make_account(), "vehicles": [make_record(TESLA)], "cursor": "e1.41"}
    hass_storage[key] = {"version": 1, "minor_version": 1, "key": key, "data": data} | changes
    await setup_entry()
    assert entry.state is ConfigEntryState.LOADED
    await hass.config_entries.async_unload(entry.entry_id)
    assert hass_storage[key]["version"] == 1
    assert len(hass_storage[key]["data"]["vehicles"]) == 3


async def test_later_minor_version_is_read(hass: HomeAssistant, hass_storage):
    data = {"account": make_account(), "vehicles": [make_record(TESLA)], "cursor": "e1.41", "new": 1}
    hass_storage[KEY] = {"version": 1, "minor_version": 9, "key": KEY, "data": data}
    assert await SnapshotStore(hass, "entry").async_load(ACCOUNT_ID)
