"""The stream goes, and comes back, or never was."""

from datetime import timedelta

import pytest
from freezegun.api import FrozenDateTimeFactory
from helpers import (
    MINUTE,
    RENAULT_BATTERY,
    TESLA_BATTERY,
    SetUp,
    eventually,
    outage,
    pass_time,
    shows,
    tesla,
    value,
)
from homeassistant.const import STATE_UNAVAILABLE
from homeassistant.core import HomeAssistant
from pytest_homeassistant_custom_component.common import MockConfigEntry
from relay_double import TESLA, Problem, RelayDouble, account


async def test_connecting_and_disconnecting_is_logged_once(
    hass: HomeAssistant, relay: RelayDouble, set_up: SetUp, caplog: pytest.LogCaptureFixture
):
    caplog.set_level("INFO", "custom_components.evconduit")
    entry = await set_up()
    with relay.failing("stream", with_=Problem(502, is_relay=False)):
        relay.break_streams()
        await eventually(lambda: len(relay.asked("/stream")) > 4)
    await eventually(lambda: entry.runtime_data.coordinator.is_streaming)
    ours = [(it.levelname, it.message) for it in caplog.records if it.name == "custom_components.evconduit"]
    assert [level for level, _ in ours] == ["INFO"] * 3
    assert [text.partition(":")[0] for _, text in ours] == [
        "Connected to the relay's stream",
        "Disconnected from the relay's stream",
        "Connected to the relay's stream",
    ]


async def test_an_account_that_is_switched_off_for_a_while_is_no_reason_to_sign_in(
    hass: HomeAssistant, relay: RelayDouble, set_up: SetUp, freezer: FrozenDateTimeFactory
):
    entry = await set_up()
    with relay.failing("account", "stream", "vehicles", with_=Problem(403, "account-disabled")):
        relay.say("bye", {"reason": "revoked", "retry_after": 0}, cursor=False)
        await eventually(lambda: len(relay.asked("/stream")) > 2)
        await pass_time(hass, freezer, 3 * MINUTE)
        await eventually(lambda: relay.asked("/vehicles"))
        await pass_time(hass, freezer, 15 * MINUTE)
        assert value(hass, TESLA_BATTERY) == STATE_UNAVAILABLE
        assert hass.config_entries.flow.async_progress() == []
    await eventually(lambda: entry.runtime_data.coordinator.is_streaming)
    assert value(hass, TESLA_BATTERY) == "57"


async def test_after_15_minutes_without_a_word_nothing_is_claimed_any_more(
    hass: HomeAssistant, relay: RelayDouble, set_up: SetUp, freezer: FrozenDateTimeFactory
):
    entry = await set_up()
    with relay.failing("stream", "vehicles", with_=Problem(502, is_relay=False)):
        await outage(hass, relay, entry)
        await pass_time(hass, freezer, 14 * MINUTE)
        assert value(hass, TESLA_BATTERY) == "57"
        await pass_time(hass, freezer, MINUTE)
        assert value(hass, TESLA_BATTERY) == STATE_UNAVAILABLE
        assert value(hass, "switch.blue_car_charging") == STATE_UNAVAILABLE
    await shows(hass, TESLA_BATTERY, "57")
    assert value(hass, "switch.blue_car_charging") == "on"


async def test_the_relay_is_asked_only_after_the_stream_was_down_for_a_while(
    hass: HomeAssistant, relay: RelayDouble, set_up: SetUp, freezer: FrozenDateTimeFactory
):
    entry = await set_up()
    with relay.failing("stream", with_=Problem(502, is_relay=False)):
        await outage(hass, relay, entry)
        await pass_time(hass, freezer, timedelta(seconds=110))
        assert relay.asked("/vehicles") == []
        relay.records[TESLA] = tesla(2, 58)
        await pass_time(hass, freezer, timedelta(seconds=20))
        await shows(hass, TESLA_BATTERY, "58")
        relay.records[TESLA] = tesla(3, 59)
        await pass_time(hass, freezer, 14 * MINUTE)
        assert len(relay.asked("/vehicles")) == 1
        await pass_time(hass, freezer, 2 * MINUTE)
        await shows(hass, TESLA_BATTERY, "59")
        assert len(relay.asked("/vehicles")) == 2
    await eventually(lambda: entry.runtime_data.coordinator.is_streaming)
    await pass_time(hass, freezer, 30 * MINUTE)
    assert len(relay.asked("/vehicles")) == 2


async def test_a_stream_that_comes_back_soon_spares_the_call(
    hass: HomeAssistant, relay: RelayDouble, set_up: SetUp, freezer: FrozenDateTimeFactory
):
    entry = await set_up()
    await outage(hass, relay, entry)
    await eventually(lambda: entry.runtime_data.coordinator.is_streaming)
    await pass_time(hass, freezer, timedelta(seconds=119))
    await pass_time(hass, freezer, timedelta(seconds=2))
    await eventually(lambda: len(relay.asked("/stream")) == 3)  # silent for so long, it was opened again
    assert relay.asked("/vehicles") == []


async def test_who_forbids_polling_is_not_polled_for(
    hass: HomeAssistant, relay: RelayDouble, entry: MockConfigEntry, set_up: SetUp, freezer: FrozenDateTimeFactory
):
    hass.config_entries.async_update_entry(entry, pref_disable_polling=True)
    await set_up()
    with relay.failing("stream", with_=Problem(502, is_relay=False)):
        await outage(hass, relay, entry)
        await pass_time(hass, freezer, 3 * MINUTE)
        await pass_time(hass, freezer, 20 * MINUTE)
    assert relay.asked("/vehicles") == []


async def test_an_answer_that_the_stream_has_overtaken_is_dropped(
    hass: HomeAssistant, relay: RelayDouble, set_up: SetUp
):
    entry = await set_up()
    relay.records[TESLA] = tesla(2, 20)
    await entry.runtime_data.coordinator.async_refresh()
    assert len(relay.asked("/vehicles")) == 1
    assert value(hass, TESLA_BATTERY) == "57"


async def test_without_push_the_relay_says_when_to_ask(
    hass: HomeAssistant, relay: RelayDouble, set_up: SetUp, freezer: FrozenDateTimeFactory
):
    freezer.move_to("2026-11-20T18:00:00Z")
    relay.account = account(push=False, next_poll_at="2026-11-20T18:30:00.000Z")
    await set_up()
    relay.records[TESLA] = tesla(2, 58)
    relay.account["next_poll_at"] = None
    await pass_time(hass, freezer, 29 * MINUTE)
    assert value(hass, TESLA_BATTERY) == "57"
    await pass_time(hass, freezer, 2 * MINUTE)
    await shows(hass, TESLA_BATTERY, "58")
    relay.records[TESLA] = tesla(3, 59)
    await pass_time(hass, freezer, 58 * MINUTE)  # without a wish of the relay's: an hour
    assert value(hass, TESLA_BATTERY) == "58"
    await pass_time(hass, freezer, 3 * MINUTE)
    await shows(hass, TESLA_BATTERY, "59")
    assert relay.asked("/stream") == []


@pytest.mark.parametrize(
    ("wish", "expected"),
    [
        ("2026-11-20T18:00:01.000Z", MINUTE),
        ("2020-01-01T00:00:00.000Z", MINUTE),
        ("2026-11-20T18:20:00.000Z", 20 * MINUTE),
        ("2030-01-01T00:00:00.000Z", timedelta(hours=12)),
        ("sometime", timedelta(hours=1)),
    ],
)
async def test_a_wish_is_kept_within_reason(
    hass: HomeAssistant, relay: RelayDouble, set_up: SetUp, *, freezer: FrozenDateTimeFactory, wish, expected
):
    freezer.move_to("2026-11-20T18:00:00Z")
    relay.account = account(push=False, next_poll_at=wish)
    entry = await set_up()
    assert entry.runtime_data.coordinator.update_interval == expected


@pytest.mark.parametrize(("header", "seconds"), [("600", 600), ("1", 60), ("9999999", 43200)])
async def test_a_spent_quota_waits_as_told_and_shows_what_is_known(
    hass: HomeAssistant, relay: RelayDouble, set_up: SetUp, *, freezer: FrozenDateTimeFactory, header: str, seconds: int
):
    relay.account = account(push=False)
    entry = await set_up()
    relay.records[TESLA] = tesla(2, 58)
    with relay.failing("vehicles", with_=Problem(429, "quota-exhausted", headers={"Retry-After": header})):
        await pass_time(hass, freezer, 61 * MINUTE)
        await eventually(lambda: not entry.runtime_data.coordinator.last_update_success)
        assert value(hass, TESLA_BATTERY) == "57"
    await pass_time(hass, freezer, timedelta(seconds=seconds - 10))
    assert len(relay.asked("/vehicles")) == 2
    await pass_time(hass, freezer, timedelta(seconds=12))
    await shows(hass, TESLA_BATTERY, "58")


async def test_without_push_two_missed_polls_are_one_too_many(
    hass: HomeAssistant, relay: RelayDouble, set_up: SetUp, freezer: FrozenDateTimeFactory
):
    relay.account = account(push=False)
    await set_up()
    with relay.failing("vehicles", with_=Problem(503, "unavailable")):
        await pass_time(hass, freezer, 61 * MINUTE)
        await eventually(lambda: len(relay.asked("/vehicles")) == 2)
        assert value(hass, TESLA_BATTERY) == "57"
        await pass_time(hass, freezer, 60 * MINUTE)
        assert value(hass, TESLA_BATTERY) == STATE_UNAVAILABLE


async def test_a_plan_that_loses_the_stream_is_polled_and_one_that_gets_it_back_listened_to(
    hass: HomeAssistant, relay: RelayDouble, set_up: SetUp, freezer: FrozenDateTimeFactory
):
    entry = await set_up()
    relay.account = account(push=False)
    relay.say("bye", {"reason": "plan", "retry_after": 3600}, cursor=False)
    await eventually(lambda: not entry.runtime_data.coordinator.is_streaming)
    for _ in range(3):  # as long as a second attempt at the stream would take
        await entry.runtime_data.client.get_account()
    assert len(relay.asked("/stream")) == 1
    relay.records[TESLA] = tesla(2, 58)
    await pass_time(hass, freezer, 3 * MINUTE)
    await shows(hass, TESLA_BATTERY, "58")
    relay.account = account(push=True)
    await pass_time(hass, freezer, 61 * MINUTE)
    await eventually(lambda: entry.runtime_data.coordinator.is_streaming)
    assert entry.runtime_data.coordinator.update_interval is None


async def test_a_plan_that_said_so_before_it_lost_the_stream_is_polled_as_it_wishes(
    hass: HomeAssistant, relay: RelayDouble, set_up: SetUp, freezer: FrozenDateTimeFactory
):
    freezer.move_to("2026-11-20T18:00:00Z")
    entry = await set_up()
    relay.account = account(push=False, next_poll_at="2026-11-20T18:30:00.000Z")
    relay.say("account", relay.account)
    relay.say("bye", {"reason": "plan", "retry_after": 3600}, cursor=False)
    await eventually(lambda: not entry.runtime_data.coordinator.is_streaming)
    relay.records[TESLA] = tesla(2, 58)
    await pass_time(hass, freezer, 29 * MINUTE)
    assert relay.asked("/vehicles") == []
    await pass_time(hass, freezer, 2 * MINUTE)
    await shows(hass, TESLA_BATTERY, "58")


@pytest.mark.parametrize("where", ["stream", "vehicles"])
async def test_a_revoked_key_asks_for_another(
    hass: HomeAssistant, relay: RelayDouble, set_up: SetUp, freezer: FrozenDateTimeFactory, where: str
):
    entry = await set_up()
    with relay.failing(where, with_=Problem(401, "unauthorized")):
        if where == "stream":
            relay.break_streams()
        else:
            with relay.failing("stream", with_=Problem(502, is_relay=False)):
                await outage(hass, relay, entry)
                await pass_time(hass, freezer, 3 * MINUTE)
                await eventually(hass.config_entries.flow.async_progress)
        await eventually(hass.config_entries.flow.async_progress)
        (flow,) = hass.config_entries.flow.async_progress()
        assert (flow["context"]["source"], flow["context"]["entry_id"]) == ("reauth", entry.entry_id)
        assert value(hass, TESLA_BATTERY) == "57"  # for as long as the relay's word is young


async def test_updating_an_entity_by_hand_asks_only_when_nothing_tells(
    hass: HomeAssistant, relay: RelayDouble, set_up: SetUp
):
    entry = await set_up()
    battery = hass.data["entity_components"]["sensor"].get_entity(TESLA_BATTERY)
    await battery.async_update()
    assert relay.asked("/vehicles") == []
    with relay.failing("stream", with_=Problem(502, is_relay=False)):
        await outage(hass, relay, entry)
        relay.records[TESLA] = tesla(2, 58)
        await hass.data["entity_components"]["sensor"].get_entity(RENAULT_BATTERY).async_update()
        await shows(hass, TESLA_BATTERY, "58")
        assert len(relay.asked("/vehicles")) == 1
