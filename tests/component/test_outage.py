"""The stream is interrupted, or not included in the plan."""

from datetime import timedelta

import pytest
from freezegun.api import FrozenDateTimeFactory
from helpers import (
    MINUTE,
    RENAULT_BATTERY,
    TESLA_BATTERY,
    SetupEntry,
    advance_time,
    disconnect_stream,
    get_state,
    make_tesla_record,
    wait_for_sent_requests,
    wait_for_state,
    wait_until,
)
from homeassistant.const import STATE_UNAVAILABLE
from homeassistant.core import HomeAssistant
from relay_double import TESLA, Problem, RelayDouble, make_account


async def test_connect_and_disconnect_are_logged_once(
    hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry, caplog: pytest.LogCaptureFixture
):
    caplog.set_level("INFO", "custom_components.evconduit")
    entry = await setup_entry()
    with relay.failing("stream", with_=Problem(502, is_relay=False)):
        relay.break_streams()
        await wait_until(lambda: len(relay.get_requests("/stream")) > 4)
    await wait_until(lambda: entry.runtime_data.coordinator.is_streaming)
    entries = [
        (record.levelname, record.message) for record in caplog.records if record.name == "custom_components.evconduit"
    ]
    assert [level for level, _ in entries] == ["INFO"] * 3
    assert [text.partition(":")[0] for _, text in entries] == [
        "Connected to the relay's stream",
        "Disconnected from the relay's stream",
        "Connected to the relay's stream",
    ]


async def test_stream_that_was_lost_during_setup_is_not_polled_when_it_is_back(
    hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry, freezer: FrozenDateTimeFactory
):
    """Polling is resumed twice then: when the stream is lost, and at the end of setup."""
    entry = await setup_entry()
    poller = entry.runtime_data.poller
    poller.async_resume()
    poller.async_resume()
    relay.break_streams()
    await wait_until(lambda: len(relay.get_requests("/stream")) > 1)
    await wait_until(lambda: entry.runtime_data.coordinator.is_streaming)
    await advance_time(hass, freezer, 3 * MINUTE)
    await wait_for_sent_requests(entry)
    assert relay.get_requests("/vehicles") == []


async def test_disabled_account_does_not_start_reauth(
    hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry, freezer: FrozenDateTimeFactory
):
    entry = await setup_entry()
    with relay.failing("account", "stream", "vehicles", with_=Problem(403, "account-disabled")):
        relay.send("bye", {"reason": "revoked", "retry_after": 0}, cursor=False)
        await wait_until(lambda: len(relay.get_requests("/stream")) > 2)
        await advance_time(hass, freezer, 3 * MINUTE)
        await wait_until(lambda: relay.get_requests("/vehicles"))
        await advance_time(hass, freezer, 15 * MINUTE)
        assert get_state(hass, TESLA_BATTERY) == STATE_UNAVAILABLE
        assert hass.config_entries.flow.async_progress() == []
    await wait_until(lambda: entry.runtime_data.coordinator.is_streaming)
    assert get_state(hass, TESLA_BATTERY) == "57"


async def test_entities_are_unavailable_after_15_minutes_without_contact(
    hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry, freezer: FrozenDateTimeFactory
):
    entry = await setup_entry()
    with relay.failing("stream", "vehicles", with_=Problem(502, is_relay=False)):
        await disconnect_stream(hass, relay, entry)
        await advance_time(hass, freezer, 14 * MINUTE)
        assert get_state(hass, TESLA_BATTERY) == "57"
        await advance_time(hass, freezer, MINUTE)
        assert get_state(hass, TESLA_BATTERY) == STATE_UNAVAILABLE
        assert get_state(hass, "switch.blue_car_charging") == STATE_UNAVAILABLE
    await wait_for_state(hass, TESLA_BATTERY, "57")
    assert get_state(hass, "switch.blue_car_charging") == "on"


async def test_polling_starts_after_two_minutes_without_stream(
    hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry, freezer: FrozenDateTimeFactory
):
    entry = await setup_entry()
    with relay.failing("stream", with_=Problem(502, is_relay=False)):
        await disconnect_stream(hass, relay, entry)
        await advance_time(hass, freezer, timedelta(seconds=110))
        await wait_for_sent_requests(entry)
        assert relay.get_requests("/vehicles") == []
        relay.records[TESLA] = make_tesla_record(2, 58)
        await advance_time(hass, freezer, timedelta(seconds=20))
        await wait_for_state(hass, TESLA_BATTERY, "58")
        relay.records[TESLA] = make_tesla_record(3, 59)
        await advance_time(hass, freezer, 14 * MINUTE)
        await wait_for_sent_requests(entry)
        assert len(relay.get_requests("/vehicles")) == 1
        await advance_time(hass, freezer, 2 * MINUTE)
        await wait_for_state(hass, TESLA_BATTERY, "59")
        assert len(relay.get_requests("/vehicles")) == 2
    await wait_until(lambda: entry.runtime_data.coordinator.is_streaming)
    await advance_time(hass, freezer, 30 * MINUTE)
    await wait_for_sent_requests(entry)
    assert len(relay.get_requests("/vehicles")) == 2


async def test_short_outage_causes_no_poll(
    hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry, freezer: FrozenDateTimeFactory
):
    entry = await setup_entry()
    await disconnect_stream(hass, relay, entry)
    await wait_until(lambda: entry.runtime_data.coordinator.is_streaming)
    await advance_time(hass, freezer, timedelta(seconds=119))
    await advance_time(hass, freezer, timedelta(seconds=2))
    await wait_until(lambda: len(relay.get_requests("/stream")) == 3)  # reconnected because it was silent for so long
    assert relay.get_requests("/vehicles") == []


async def test_poll_result_is_dropped_while_streaming(hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry):
    entry = await setup_entry()
    relay.records[TESLA] = make_tesla_record(2, 20)
    await entry.runtime_data.coordinator.async_refresh()
    assert len(relay.get_requests("/vehicles")) == 1
    assert get_state(hass, TESLA_BATTERY) == "57"


async def test_without_push_the_relay_schedules_polls(
    hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry, freezer: FrozenDateTimeFactory
):
    freezer.move_to("2026-11-20T18:00:00Z")
    relay.account = make_account(push=False, next_poll_at="2026-11-20T18:30:00.000Z")
    await setup_entry()
    relay.records[TESLA] = make_tesla_record(2, 58)
    relay.account["next_poll_at"] = None
    await advance_time(hass, freezer, 29 * MINUTE)
    assert get_state(hass, TESLA_BATTERY) == "57"
    await advance_time(hass, freezer, 2 * MINUTE)
    await wait_for_state(hass, TESLA_BATTERY, "58")
    relay.records[TESLA] = make_tesla_record(3, 59)
    await advance_time(hass, freezer, 58 * MINUTE)  # the default of one hour
    assert get_state(hass, TESLA_BATTERY) == "58"
    await advance_time(hass, freezer, 3 * MINUTE)
    await wait_for_state(hass, TESLA_BATTERY, "59")
    assert relay.get_requests("/stream") == []


@pytest.mark.parametrize(
    ("next_poll_at", "expected"),
    [
        ("2026-11-20T18:00:01.000Z", MINUTE),
        ("2020-01-01T00:00:00.000Z", MINUTE),
        ("2026-11-20T18:20:00.000Z", 20 * MINUTE),
        ("2030-01-01T00:00:00.000Z", timedelta(hours=12)),
        ("sometime", timedelta(hours=1)),
    ],
)
async def test_requested_poll_time_is_limited(
    hass: HomeAssistant,
    relay: RelayDouble,
    setup_entry: SetupEntry,
    *,
    freezer: FrozenDateTimeFactory,
    next_poll_at,
    expected,
):
    freezer.move_to("2026-11-20T18:00:00Z")
    relay.account = make_account(push=False, next_poll_at=next_poll_at)
    entry = await setup_entry()
    assert entry.runtime_data.coordinator.update_interval == expected


@pytest.mark.parametrize(("header", "seconds"), [("600", 600), ("1", 60), ("9999999", 43200)])
async def test_exhausted_allowance_delays_the_poll_and_keeps_states(
    hass: HomeAssistant,
    relay: RelayDouble,
    setup_entry: SetupEntry,
    *,
    freezer: FrozenDateTimeFactory,
    header: str,
    seconds: int,
):
    relay.account = make_account(push=False)
    entry = await setup_entry()
    relay.records[TESLA] = make_tesla_record(2, 58)
    with relay.failing("vehicles", with_=Problem(429, "quota-exhausted", headers={"Retry-After": header})):
        await advance_time(hass, freezer, 61 * MINUTE)
        await wait_until(lambda: not entry.runtime_data.coordinator.last_update_success)
        assert get_state(hass, TESLA_BATTERY) == "57"
    await advance_time(hass, freezer, timedelta(seconds=seconds - 10))
    await wait_for_sent_requests(entry)
    assert len(relay.get_requests("/vehicles")) == 2
    await advance_time(hass, freezer, timedelta(seconds=12))
    await wait_for_state(hass, TESLA_BATTERY, "58")


async def test_without_push_two_failed_polls_make_entities_unavailable(
    hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry, freezer: FrozenDateTimeFactory
):
    relay.account = make_account(push=False)
    await setup_entry()
    with relay.failing("vehicles", with_=Problem(503, "unavailable")):
        await advance_time(hass, freezer, 61 * MINUTE)
        await wait_until(lambda: len(relay.get_requests("/vehicles")) == 2)
        assert get_state(hass, TESLA_BATTERY) == "57"
        await advance_time(hass, freezer, 60 * MINUTE)
        assert get_state(hass, TESLA_BATTERY) == STATE_UNAVAILABLE


async def test_plan_change_switches_between_stream_and_polling(
    hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry, freezer: FrozenDateTimeFactory
):
    entry = await setup_entry()
    relay.account = make_account(push=False)
    relay.send("bye", {"reason": "plan", "retry_after": 3600}, cursor=False)
    await wait_until(lambda: not entry.runtime_data.coordinator.is_streaming)
    for _ in range(3):  # enough time for a second attempt at the stream
        await entry.runtime_data.client.get_account()
    assert len(relay.get_requests("/stream")) == 1
    assert hass.config_entries.flow.async_progress() == []  # the credential is still valid
    relay.records[TESLA] = make_tesla_record(2, 58)
    await advance_time(hass, freezer, 3 * MINUTE)
    await wait_for_state(hass, TESLA_BATTERY, "58")
    relay.account = make_account(push=True)
    await advance_time(hass, freezer, 61 * MINUTE)
    await wait_until(lambda: entry.runtime_data.coordinator.is_streaming)
    assert entry.runtime_data.coordinator.update_interval is None


async def test_announced_plan_change_uses_the_announced_poll_time(
    hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry, freezer: FrozenDateTimeFactory
):
    freezer.move_to("2026-11-20T18:00:00Z")
    entry = await setup_entry()
    relay.account = make_account(push=False, next_poll_at="2026-11-20T18:30:00.000Z")
    relay.send("account", relay.account)
    relay.send("bye", {"reason": "plan", "retry_after": 3600}, cursor=False)
    await wait_until(lambda: not entry.runtime_data.coordinator.is_streaming)
    relay.records[TESLA] = make_tesla_record(2, 58)
    await advance_time(hass, freezer, 29 * MINUTE)
    await wait_for_sent_requests(entry)
    assert relay.get_requests("/vehicles") == []
    await advance_time(hass, freezer, 2 * MINUTE)
    await wait_for_state(hass, TESLA_BATTERY, "58")


@pytest.mark.parametrize("problem", [Problem(401, "unauthorized"), Problem(403, "forbidden")])
@pytest.mark.parametrize("name", ["stream", "vehicles"])
async def test_refused_credential_starts_reauth(
    hass: HomeAssistant,
    relay: RelayDouble,
    setup_entry: SetupEntry,
    *,
    freezer: FrozenDateTimeFactory,
    name: str,
    problem: Problem,
):
    entry = await setup_entry()
    with relay.failing(name, with_=problem):
        if name == "stream":
            relay.break_streams()
        else:
            with relay.failing("stream", with_=Problem(502, is_relay=False)):
                await disconnect_stream(hass, relay, entry)
                await advance_time(hass, freezer, 3 * MINUTE)
                await wait_until(hass.config_entries.flow.async_progress)
        await wait_until(hass.config_entries.flow.async_progress)
        (flow,) = hass.config_entries.flow.async_progress()
        assert (flow["context"]["source"], flow["context"]["entry_id"]) == ("reauth", entry.entry_id)
        assert get_state(hass, TESLA_BATTERY) == "57"  # still valid
        if name == "stream":
            await entry.runtime_data.client.get_account()
            assert len(relay.get_requests("/stream")) == 2  # not retried with the same credential


async def test_update_entity_action_polls_only_without_stream(
    hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry
):
    entry = await setup_entry()
    battery = hass.data["entity_components"]["sensor"].get_entity(TESLA_BATTERY)
    await battery.async_update()
    assert relay.get_requests("/vehicles") == []
    with relay.failing("stream", with_=Problem(502, is_relay=False)):
        await disconnect_stream(hass, relay, entry)
        relay.records[TESLA] = make_tesla_record(2, 58)
        await hass.data["entity_components"]["sensor"].get_entity(RENAULT_BATTERY).async_update()
        await wait_for_state(hass, TESLA_BATTERY, "58")
        assert len(relay.get_requests("/vehicles")) == 1
