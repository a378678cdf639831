"""What the device of the account shows."""

from datetime import timedelta

import pytest
from freezegun.api import FrozenDateTimeFactory
from helpers import (
    MINUTE,
    SetupEntry,
    advance_time,
    disconnect_stream,
    get_state,
    make_tesla_record,
    wait_for_state,
    wait_until,
)
from homeassistant.core import HomeAssistant
from homeassistant.helpers import entity_registry as er
from pytest_homeassistant_custom_component.common import async_fire_time_changed
from relay_double import ACCOUNT_ID, Problem, RelayDouble, make_account

LIMITED = {"limit": 2500, "used": 410, "resets_at": "2026-12-14T00:00:00.000Z", "call_tokens": 20}
CONNECTED = "binary_sensor.home_garage_connected"
CHANNEL = "sensor.home_garage_push_channel"
LAST_MESSAGE = "sensor.home_garage_last_message"


async def test_entities_of_the_account_have_its_id(
    hass: HomeAssistant, setup_entry: SetupEntry, entity_registry: er.EntityRegistry
):
    await setup_entry()
    entry = entity_registry.async_get(CONNECTED)
    assert entry is not None
    assert entry.unique_id == f"{ACCOUNT_ID}_connected"


async def test_unlimited_account_has_no_remaining_calls(
    hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry
):
    """They are added when a plan with a limit is chosen."""
    await setup_entry()
    assert get_state(hass, "sensor.home_garage_plan") == "pro"
    assert get_state(hass, "sensor.home_garage_calls_used") == "0"
    assert hass.states.get("sensor.home_garage_calls_left") is None
    relay.send("account", make_account(plan="basic", allowance=LIMITED))
    await wait_for_state(hass, "sensor.home_garage_calls_left", "2110")
    assert get_state(hass, "sensor.home_garage_plan") == "basic"
    assert get_state(hass, "sensor.home_garage_calls_reset") == "2026-12-14T00:00:00+00:00"
    used = hass.states.get("sensor.home_garage_calls_used")
    assert used is not None
    assert (used.state, used.attributes["last_reset"]) == ("410", "2026-11-14T00:00:00+00:00")


async def test_calls_are_updated_every_hour(
    hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry, freezer: FrozenDateTimeFactory
):
    """Other installations use calls, too, and the relay doesn't send a message about it."""
    await setup_entry()
    relay.account["allowance"]["used"] = 7
    freezer.tick(timedelta(hours=1, seconds=1))
    async_fire_time_changed(hass)
    await wait_for_state(hass, "sensor.home_garage_calls_used", "7")


async def test_failing_request_leaves_the_last_numbers(
    hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry, freezer: FrozenDateTimeFactory
):
    await setup_entry()
    relay.account["allowance"]["used"] = 7
    requests = len(relay.get_requests("/account"))
    with relay.failing("account", with_=Problem(500, "internal")):
        freezer.tick(timedelta(hours=1, seconds=1))
        async_fire_time_changed(hass)
        await wait_until(lambda: len(relay.get_requests("/account")) > requests)
        await hass.async_block_till_done()
    assert get_state(hass, "sensor.home_garage_calls_used") == "0"


async def test_channel_and_connection(
    hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry, freezer: FrozenDateTimeFactory
):
    entry = await setup_entry()
    assert (get_state(hass, CHANNEL), get_state(hass, CONNECTED)) == ("stream", "on")
    await relay.close()
    await wait_until(lambda: not entry.runtime_data.coordinator.is_streaming)
    await wait_for_state(hass, CHANNEL, "polling")
    assert get_state(hass, CONNECTED) == "on"
    await advance_time(hass, freezer, 16 * MINUTE)
    await wait_for_state(hass, CONNECTED, "off")
    assert get_state(hass, CHANNEL) == "polling"
    assert get_state(hass, "sensor.home_garage_plan") == "unavailable"


@pytest.mark.usefixtures("webhook_supported")
async def test_webhook_is_the_channel_while_the_stream_is_down(
    hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry
):
    entry = await setup_entry()
    await wait_until(lambda: entry.runtime_data.webhook.is_registered)
    relay.withholds_snapshot = True
    await disconnect_stream(hass, relay, entry)
    await wait_for_state(hass, CHANNEL, "webhook")


async def test_last_message_advances_in_steps_of_a_minute(
    hass: HomeAssistant,
    relay: RelayDouble,
    setup_entry: SetupEntry,
    entity_registry: er.EntityRegistry,
    freezer: FrozenDateTimeFactory,
):
    freezer.move_to("2026-11-20T18:00:00Z")
    entry = await setup_entry()
    assert hass.states.get(LAST_MESSAGE) is None
    entity_registry.async_update_entity(LAST_MESSAGE, disabled_by=None)
    await hass.config_entries.async_reload(entry.entry_id)
    await hass.async_block_till_done()
    assert get_state(hass, LAST_MESSAGE) == "2026-11-20T18:00:00+00:00"
    for seconds, shown in ((59, "18:00:00"), (1, "18:01:00"), (59, "18:01:00"), (2, "18:02:01")):
        freezer.tick(seconds)
        entry.runtime_data.coordinator.async_record_message()
        assert get_state(hass, LAST_MESSAGE) == f"2026-11-20T{shown}+00:00"


async def test_each_message_counts(
    hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry, freezer: FrozenDateTimeFactory
):
    freezer.move_to("2026-11-20T18:00:00Z")
    coordinator = (await setup_entry()).runtime_data.coordinator
    connected_at = coordinator.last_message_at
    freezer.tick(timedelta(minutes=1))
    relay.push_record(make_tesla_record(2, 58))
    await wait_for_state(hass, "sensor.blue_car_battery_level", "58")
    assert connected_at is not None
    assert coordinator.last_message_at - connected_at >= timedelta(minutes=1)
