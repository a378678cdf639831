import asyncio
from datetime import timedelta
from typing import Any

import pytest
from freezegun.api import FrozenDateTimeFactory
from helpers import SetUp, eventually, pass_time, shows
from homeassistant.config_entries import ConfigEntryState
from homeassistant.core import HomeAssistant
from homeassistant.helpers import device_registry as dr
from pytest_homeassistant_custom_component.common import MockConfigEntry
from relay_double import ACCOUNT_ID, HYUNDAI, RENAULT, TESLA, Problem, RelayDouble, record

from custom_components.evconduit import async_remove_config_entry_device, stream_channel
from custom_components.evconduit.const import DOMAIN

BATTERY = "sensor.blue_car_battery_level"


@pytest.fixture
def no_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream_channel, "FIRST_SNAPSHOT_TIMEOUT", timedelta(milliseconds=50))


def stored(relay: RelayDouble, **changes: Any) -> dict[str, Any]:
    data = {"account": relay.account, "vehicles": [record(TESLA)], "cursor": "e1.41"} | changes
    return {"version": 1, "minor_version": 1, "key": "x", "data": data}


async def test_an_entry_loads_listens_and_unloads(hass: HomeAssistant, relay: RelayDouble, set_up: SetUp):
    entry = await set_up()
    assert entry.state is ConfigEntryState.LOADED
    assert hass.states.get(BATTERY).state == "57"
    assert len(relay.streams) == 1
    await hass.config_entries.async_unload(entry.entry_id)
    assert entry.state is ConfigEntryState.NOT_LOADED
    await eventually(lambda: not relay.streams)
    assert [it.path.rpartition("/")[2] for it in relay.requests] == ["account", "stream"]


async def test_home_assistant_stops(hass: HomeAssistant, relay: RelayDouble, set_up: SetUp, hass_storage):
    entry = await set_up()
    await hass.async_stop()
    await eventually(lambda: not relay.streams)
    kept = hass_storage[f"{DOMAIN}.{entry.entry_id}"]["data"]
    assert [it["id"] for it in kept["vehicles"]] == [TESLA, HYUNDAI, RENAULT]
    assert kept["cursor"] == "e1.1"


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
async def test_an_account_that_cannot_be_asked(
    hass: HomeAssistant, relay: RelayDouble, set_up: SetUp, problem: Problem, state: ConfigEntryState
):
    with relay.failing("account", with_=problem):
        entry = await set_up()
    assert entry.state is state
    assert bool(hass.config_entries.flow.async_progress()) is (state is ConfigEntryState.SETUP_ERROR)


async def test_a_relay_that_comes_up_later(
    hass: HomeAssistant, relay: RelayDouble, set_up: SetUp, freezer: FrozenDateTimeFactory
):
    with relay.failing("account", with_=Problem(502, is_relay=False)):
        entry = await set_up()
    await pass_time(hass, freezer, timedelta(seconds=30))
    await eventually(lambda: entry.state is ConfigEntryState.LOADED)
    await shows(hass, BATTERY, "57")


@pytest.mark.usefixtures("no_patience")
async def test_neither_stream_nor_answer_is_not_ready(hass: HomeAssistant, relay: RelayDouble, set_up: SetUp):
    with relay.failing("stream", "vehicles", with_=Problem(503, "unavailable")):
        entry = await set_up()
    assert entry.state is ConfigEntryState.SETUP_RETRY
    assert hass.states.async_all("sensor") == []


@pytest.mark.usefixtures("no_patience")
@pytest.mark.parametrize("problem", [Problem(503, "unavailable"), Problem(429, "too-many-streams"), None])
async def test_without_a_stream_the_cars_are_asked_for_once(
    hass: HomeAssistant, relay: RelayDouble, set_up: SetUp, problem: Problem | None
):
    relay.silent = problem is None  # a proxy in between may hold a stream back without refusing it
    with relay.failing(*["stream"] * bool(problem), with_=problem or Problem(500)):
        entry = await set_up()
        assert entry.state is ConfigEntryState.LOADED
        assert hass.states.get(BATTERY).state == "57"
        assert len(relay.asked("/vehicles")) == 1


@pytest.mark.usefixtures("no_patience")
async def test_a_stream_that_comes_while_we_ask_is_what_counts(
    hass: HomeAssistant, relay: RelayDouble, set_up: SetUp, caplog: pytest.LogCaptureFixture
):
    caplog.set_level("INFO", "custom_components.evconduit")
    relay.silent = True

    async def speak_first() -> None:
        relay.say("snapshot", relay.snapshot())
        await eventually(lambda: "Connected to the relay" in caplog.text)
        relay.records[TESLA] = record(TESLA, vehicle={"chargeState": {"batteryLevel": 12}})

    relay.before["vehicles"] = speak_first
    entry = await set_up()
    assert hass.states.get(BATTERY).state == "57"
    assert entry.runtime_data.coordinator.update_interval is None


@pytest.mark.usefixtures("no_patience")
async def test_without_a_stream_the_last_that_we_knew_is_shown(
    hass: HomeAssistant, relay: RelayDouble, entry: MockConfigEntry, set_up: SetUp, hass_storage
):
    hass_storage[f"{DOMAIN}.{entry.entry_id}"] = stored(relay)
    relay.records[TESLA] = record(TESLA, 2, vehicle={"chargeState": {"batteryLevel": 61}})
    with relay.failing("stream", "vehicles", with_=Problem(503, "unavailable")):
        await set_up()
        assert entry.state is ConfigEntryState.LOADED
        assert hass.states.get(BATTERY).state == "57"
        assert relay.asked("/vehicles") == []
    await shows(hass, BATTERY, "61")
    assert relay.asked("/stream")[0].headers["Last-Event-ID"] == "e1.41"


@pytest.mark.usefixtures("no_patience")
async def test_what_we_kept_is_no_proof_that_a_car_is_gone(
    hass: HomeAssistant,
    relay: RelayDouble,
    set_up: SetUp,
    hass_storage,
    device_registry: dr.DeviceRegistry,
):
    entry = await set_up()
    await hass.config_entries.async_unload(entry.entry_id)
    hass_storage[f"{DOMAIN}.{entry.entry_id}"] = stored(relay)
    with relay.failing("stream", with_=Problem(503, "unavailable")):
        await hass.config_entries.async_setup(entry.entry_id)
        assert device_registry.async_get_device_by_identifier((DOMAIN, RENAULT), entry.entry_id)


@pytest.mark.usefixtures("no_patience")
@pytest.mark.parametrize(
    "changes", [{"vehicles": [{"id": TESLA}]}, {"account": {"id": "another account"}}, {"account": None}]
)
async def test_what_we_kept_and_cannot_use_is_passed_over(
    relay: RelayDouble, entry: MockConfigEntry, set_up: SetUp, hass_storage, changes
):
    hass_storage[f"{DOMAIN}.{entry.entry_id}"] = stored(relay, **changes)
    await set_up()
    assert entry.state is ConfigEntryState.LOADED
    assert relay.asked("/stream")[0].headers.get("Last-Event-ID") is None


async def test_a_restart_of_the_entry_resumes_the_stream(
    hass: HomeAssistant, relay: RelayDouble, entry: MockConfigEntry, set_up: SetUp
):
    await set_up()
    relay.push(record(TESLA, 2, vehicle={"chargeState": {"batteryLevel": 58}}))
    await shows(hass, BATTERY, "58")
    await hass.config_entries.async_reload(entry.entry_id)
    await shows(hass, BATTERY, "58")
    assert relay.asked("/stream")[1].headers["Last-Event-ID"] == "e1.2"


async def test_an_account_without_push_is_asked_and_not_listened_to(
    hass: HomeAssistant, relay: RelayDouble, set_up: SetUp
):
    relay.account["push"] = False
    entry = await set_up()
    assert entry.state is ConfigEntryState.LOADED
    assert hass.states.get(BATTERY).state == "57"
    assert relay.asked("/stream") == []


async def test_a_restart_without_push_costs_no_call(
    hass: HomeAssistant, relay: RelayDouble, entry: MockConfigEntry, set_up: SetUp
):
    relay.account["push"] = False
    await set_up()
    with relay.failing("vehicles", with_=Problem(429, "quota-exhausted", headers={"Retry-After": "3600"})):
        await hass.config_entries.async_reload(entry.entry_id)
        assert entry.state is ConfigEntryState.LOADED
        assert hass.states.get(BATTERY).state == "57"
    assert len(relay.asked("/vehicles")) == 1


async def test_a_plan_that_turns_out_to_have_no_stream_does_not_make_us_wait(
    hass: HomeAssistant, relay: RelayDouble, set_up: SetUp
):
    """The patience is ten seconds, the test's time five."""
    with relay.failing("stream", with_=Problem(403, "plan-required")):
        async with asyncio.timeout(5):
            entry = await set_up()
    assert entry.state is ConfigEntryState.LOADED


async def test_entries_of_the_classic_integration_are_refused(
    hass: HomeAssistant, relay: RelayDouble, caplog: pytest.LogCaptureFixture
):
    classic = MockConfigEntry(domain=DOMAIN, version=1, title="Old car", data={"api_key": "secret", "vehicle_id": "1"})
    classic.add_to_hass(hass)
    await hass.config_entries.async_setup(classic.entry_id)
    assert classic.state is ConfigEntryState.MIGRATION_ERROR
    assert "belongs to the classic EVConduit integration" in caplog.text
    assert "secret" not in caplog.text
    assert relay.requests == []


async def test_a_later_minor_version_is_read(hass: HomeAssistant, relay: RelayDouble, entry: MockConfigEntry, set_up):
    hass.config_entries.async_update_entry(entry, minor_version=2)
    await set_up()
    assert entry.state is ConfigEntryState.LOADED


async def test_a_removed_entry_leaves_nothing(
    hass: HomeAssistant, relay: RelayDouble, set_up: SetUp, hass_storage, device_registry: dr.DeviceRegistry
):
    entry = await set_up()
    await hass.config_entries.async_unload(entry.entry_id)
    assert f"{DOMAIN}.{entry.entry_id}" in hass_storage
    await hass.config_entries.async_remove(entry.entry_id)
    assert f"{DOMAIN}.{entry.entry_id}" not in hass_storage
    assert dr.async_entries_for_config_entry(device_registry, entry.entry_id) == []


async def test_only_what_is_gone_may_be_removed_by_hand(
    hass: HomeAssistant, relay: RelayDouble, set_up: SetUp, device_registry: dr.DeviceRegistry
):
    entry = await set_up()
    gone = device_registry.async_get_or_create(config_entry_id=entry.entry_id, identifiers={(DOMAIN, "gone")})
    assert await async_remove_config_entry_device(hass, entry, gone)
    for here in (TESLA, ACCOUNT_ID):
        device = device_registry.async_get_device_by_identifier((DOMAIN, here), entry.entry_id)
        assert not await async_remove_config_entry_device(hass, entry, device)


async def test_ten_cars_are_set_up_quickly(hass: HomeAssistant, relay: RelayDouble, set_up: SetUp):
    for number in range(10):
        relay.records[f"car-{number}"] = record(TESLA) | {"id": f"car-{number}"}
    entry = await set_up()
    assert entry.state is ConfigEntryState.LOADED
    assert len(hass.states.async_all("switch")) == 10 + 2
