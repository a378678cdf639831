import asyncio
from datetime import timedelta
from typing import Any

import pytest
from freezegun.api import FrozenDateTimeFactory
from helpers import SetupEntry, advance_time, wait_for_state, wait_until
from homeassistant.config_entries import ConfigEntryState
from homeassistant.core import HomeAssistant
from homeassistant.helpers import device_registry as dr
from pytest_homeassistant_custom_component.common import MockConfigEntry
from relay_double import ACCOUNT_ID, HYUNDAI, RENAULT, TESLA, Problem, RelayDouble, make_record

from custom_components.evconduit import async_remove_config_entry_device
from custom_components.evconduit.const import DOMAIN
from custom_components.evconduit.stream_channel import FIRST_SNAPSHOT_TIMEOUT

BATTERY = "sensor.blue_car_battery_level"


def create_stored_state(relay: RelayDouble, **changes: Any) -> dict[str, Any]:
    data = {"account": relay.account, "vehicles": [make_record(TESLA)], "cursor": "e1.41"} | changes
    return {"version": 1, "minor_version": 1, "key": "x", "data": data}


def test_setup_waits_at_most_ten_seconds_for_the_snapshot():
    assert timedelta(seconds=10) == FIRST_SNAPSHOT_TIMEOUT


async def test_entry_is_loaded_with_two_requests_and_unloaded(
    hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry
):
    entry = await setup_entry()
    assert entry.state is ConfigEntryState.LOADED
    assert hass.states.get(BATTERY).state == "57"
    assert len(relay.streams) == 1
    await hass.config_entries.async_unload(entry.entry_id)
    assert entry.state is ConfigEntryState.NOT_LOADED
    await wait_until(lambda: not relay.streams)
    assert [request.path.rpartition("/")[2] for request in relay.requests] == ["account", "stream"]


async def test_state_is_stored_when_home_assistant_stops(
    hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry, hass_storage
):
    entry = await setup_entry()
    await hass.async_stop()
    await wait_until(lambda: not relay.streams)
    stored = hass_storage[f"{DOMAIN}.{entry.entry_id}"]["data"]
    assert [vehicle["id"] for vehicle in stored["vehicles"]] == [TESLA, HYUNDAI, RENAULT]
    assert stored["cursor"] == "e1.1"


@pytest.mark.parametrize(
    ("problem", "state"),
    [
        (Problem(401, "unauthorized"), ConfigEntryState.SETUP_ERROR),
        (Problem(403, "forbidden"), ConfigEntryState.SETUP_ERROR),
        (Problem(403, "account-disabled"), ConfigEntryState.SETUP_RETRY),
        (Problem(404, is_relay=False), ConfigEntryState.SETUP_RETRY),
        (Problem(500, "internal"), ConfigEntryState.SETUP_RETRY),
        (Problem(503, "unavailable"), ConfigEntryState.SETUP_RETRY),
    ],
)
async def test_setup_fails_if_the_account_cannot_be_read(
    hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry, problem: Problem, state: ConfigEntryState
):
    with relay.failing("account", with_=problem):
        entry = await setup_entry()
    assert entry.state is state
    assert bool(hass.config_entries.flow.async_progress()) is (state is ConfigEntryState.SETUP_ERROR)


async def test_setup_is_retried_until_the_relay_is_up(
    hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry, freezer: FrozenDateTimeFactory
):
    with relay.failing("account", with_=Problem(502, is_relay=False)):
        entry = await setup_entry()
    await advance_time(hass, freezer, timedelta(seconds=30))
    await wait_until(lambda: entry.state is ConfigEntryState.LOADED)
    await wait_for_state(hass, BATTERY, "57")


@pytest.mark.usefixtures("short_snapshot_timeout")
async def test_setup_is_retried_without_stream_and_poll(
    hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry
):
    with relay.failing("stream", "vehicles", with_=Problem(503, "unavailable")):
        entry = await setup_entry()
    assert entry.state is ConfigEntryState.SETUP_RETRY
    assert hass.states.async_all("sensor") == []


@pytest.mark.usefixtures("short_snapshot_timeout")
@pytest.mark.parametrize("problem", [Problem(503, "unavailable"), Problem(429, "too-many-streams"), None])
async def test_setup_without_stream_polls_once(
    hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry, problem: Problem | None
):
    relay.withholds_snapshot = problem is None  # a proxy may delay a stream without refusing it
    with relay.failing(*["stream"] * bool(problem), with_=problem or Problem(500)):
        entry = await setup_entry()
        assert entry.state is ConfigEntryState.LOADED
        assert hass.states.get(BATTERY).state == "57"
        assert len(relay.get_requests("/vehicles")) == 1


@pytest.mark.usefixtures("short_snapshot_timeout")
async def test_stream_that_connects_during_the_first_poll_wins(
    hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry, caplog: pytest.LogCaptureFixture
):
    caplog.set_level("INFO", "custom_components.evconduit")
    relay.withholds_snapshot = True

    async def connect_stream_first() -> None:
        relay.send("snapshot", relay.snapshot())
        await wait_until(lambda: "Connected to the relay" in caplog.text)
        relay.records[TESLA] = make_record(TESLA, vehicle={"chargeState": {"batteryLevel": 12}})

    relay.before_response["vehicles"] = connect_stream_first
    entry = await setup_entry()
    assert hass.states.get(BATTERY).state == "57"
    assert entry.runtime_data.coordinator.update_interval is None


@pytest.mark.usefixtures("short_snapshot_timeout")
async def test_stored_state_is_shown_without_stream(
    hass: HomeAssistant, relay: RelayDouble, entry: MockConfigEntry, setup_entry: SetupEntry, hass_storage
):
    hass_storage[f"{DOMAIN}.{entry.entry_id}"] = create_stored_state(relay)
    relay.records[TESLA] = make_record(TESLA, 2, vehicle={"chargeState": {"batteryLevel": 61}})
    with relay.failing("stream", "vehicles", with_=Problem(503, "unavailable")):
        await setup_entry()
        assert entry.state is ConfigEntryState.LOADED
        assert hass.states.get(BATTERY).state == "57"
        assert relay.get_requests("/vehicles") == []
    await wait_for_state(hass, BATTERY, "61")
    assert relay.get_requests("/stream")[0].headers["Last-Event-ID"] == "e1.41"


@pytest.mark.usefixtures("short_snapshot_timeout")
async def test_stored_state_removes_no_device(
    hass: HomeAssistant,
    relay: RelayDouble,
    setup_entry: SetupEntry,
    hass_storage,
    device_registry: dr.DeviceRegistry,
):
    entry = await setup_entry()
    await hass.config_entries.async_unload(entry.entry_id)
    hass_storage[f"{DOMAIN}.{entry.entry_id}"] = create_stored_state(relay)
    with relay.failing("stream", with_=Problem(503, "unavailable")):
        await hass.config_entries.async_setup(entry.entry_id)
        assert device_registry.async_get_device_by_identifier((DOMAIN, RENAULT), entry.entry_id)


@pytest.mark.usefixtures("short_snapshot_timeout")
@pytest.mark.parametrize(
    "changes", [{"vehicles": [{"id": TESLA}]}, {"account": {"id": "another account"}}, {"account": None}]
)
async def test_unusable_stored_state_is_ignored(
    relay: RelayDouble, entry: MockConfigEntry, setup_entry: SetupEntry, hass_storage, changes
):
    hass_storage[f"{DOMAIN}.{entry.entry_id}"] = create_stored_state(relay, **changes)
    await setup_entry()
    assert entry.state is ConfigEntryState.LOADED
    assert relay.get_requests("/stream")[0].headers.get("Last-Event-ID") is None


async def test_reload_resumes_the_stream(
    hass: HomeAssistant, relay: RelayDouble, entry: MockConfigEntry, setup_entry: SetupEntry
):
    await setup_entry()
    relay.push_record(make_record(TESLA, 2, vehicle={"chargeState": {"batteryLevel": 58}}))
    await wait_for_state(hass, BATTERY, "58")
    await hass.config_entries.async_reload(entry.entry_id)
    await wait_for_state(hass, BATTERY, "58")
    assert relay.get_requests("/stream")[1].headers["Last-Event-ID"] == "e1.2"


async def test_account_without_push_is_polled(hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry):
    relay.account["push"] = False
    entry = await setup_entry()
    assert entry.state is ConfigEntryState.LOADED
    assert hass.states.get(BATTERY).state == "57"
    assert relay.get_requests("/stream") == []


async def test_reload_without_push_costs_no_call(
    hass: HomeAssistant, relay: RelayDouble, entry: MockConfigEntry, setup_entry: SetupEntry
):
    relay.account["push"] = False
    await setup_entry()
    with relay.failing("vehicles", with_=Problem(429, "quota-exhausted", headers={"Retry-After": "3600"})):
        await hass.config_entries.async_reload(entry.entry_id)
        assert entry.state is ConfigEntryState.LOADED
        assert hass.states.get(BATTERY).state == "57"
    assert len(relay.get_requests("/vehicles")) == 1


async def test_refused_stream_does_not_delay_setup(hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry):
    """Setup would wait ten seconds for a snapshot; the test allows five."""
    with relay.failing("stream", with_=Problem(403, "plan-required")):
        async with asyncio.timeout(5):
            entry = await setup_entry()
    assert entry.state is ConfigEntryState.LOADED


async def test_later_minor_version_loads(hass: HomeAssistant, relay: RelayDouble, entry: MockConfigEntry, setup_entry):
    hass.config_entries.async_update_entry(entry, minor_version=2)
    await setup_entry()
    assert entry.state is ConfigEntryState.LOADED


async def test_removed_entry_leaves_nothing_behind(
    hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry, hass_storage, device_registry: dr.DeviceRegistry
):
    entry = await setup_entry()
    await hass.config_entries.async_unload(entry.entry_id)
    assert f"{DOMAIN}.{entry.entry_id}" in hass_storage
    await hass.config_entries.async_remove(entry.entry_id)
    assert f"{DOMAIN}.{entry.entry_id}" not in hass_storage
    assert dr.async_entries_for_config_entry(device_registry, entry.entry_id) == []


async def test_only_devices_that_are_gone_can_be_removed(
    hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry, device_registry: dr.DeviceRegistry
):
    entry = await setup_entry()
    stale_device = device_registry.async_get_or_create(config_entry_id=entry.entry_id, identifiers={(DOMAIN, "gone")})
    assert await async_remove_config_entry_device(hass, entry, stale_device)
    for current_id in (TESLA, ACCOUNT_ID):
        device = device_registry.async_get_device_by_identifier((DOMAIN, current_id), entry.entry_id)
        assert not await async_remove_config_entry_device(hass, entry, device)


async def test_setup_of_ten_vehicles(hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry):
    for number in range(10):
        relay.records[f"car-{number}"] = make_record(TESLA) | {"id": f"car-{number}"}
    entry = await setup_entry()
    assert entry.state is ConfigEntryState.LOADED
    assert len(hass.states.async_all("switch")) == 10 + 2
