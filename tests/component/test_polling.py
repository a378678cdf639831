"""Without push: asking when the relay wishes, whatever happens in between."""

from datetime import UTC, datetime, timedelta

import pytest
from freezegun.api import FrozenDateTimeFactory
from helpers import MINUTE, TESLA_BATTERY, SetUp, eventually, pass_time, shows, tesla, value
from homeassistant.config_entries import ConfigEntryState
from homeassistant.core import HomeAssistant
from pytest_homeassistant_custom_component.common import MockConfigEntry
from relay_double import TESLA, Problem, RelayDouble, account

from custom_components.evconduit.const import DOMAIN

NOW = datetime(2026, 11, 20, 18, tzinfo=UTC)
SPENT = Problem(429, "quota-exhausted", headers={"Retry-After": "7200"})


def in_(minutes: int) -> str:
    return (NOW + timedelta(minutes=minutes)).isoformat()


@pytest.fixture(autouse=True)
def _no_push(relay: RelayDouble, freezer: FrozenDateTimeFactory) -> None:
    freezer.move_to(NOW)
    relay.account = account(push=False, next_poll_at=in_(60))


async def test_what_a_poll_told_is_kept(hass: HomeAssistant, set_up: SetUp, hass_storage):
    entry = await set_up()
    await hass.async_stop()
    kept = hass_storage[f"{DOMAIN}.{entry.entry_id}"]["data"]
    assert len(kept["vehicles"]) == 3
    assert datetime.fromisoformat(kept["poll_at"]) == NOW + timedelta(hours=1)


async def test_restarts_neither_cost_a_call_nor_put_one_off(
    hass: HomeAssistant, relay: RelayDouble, *, entry: MockConfigEntry, set_up: SetUp, freezer: FrozenDateTimeFactory
):
    await set_up()
    for minute in (20, 40, 59):
        await pass_time(hass, freezer, NOW + timedelta(minutes=minute) - datetime.now(UTC))
        relay.account["next_poll_at"] = in_(minute + 60)  # as a relay plans that is asked anew
        await hass.config_entries.async_reload(entry.entry_id)
        assert value(hass, TESLA_BATTERY) == "57"
    assert len(relay.asked("/vehicles")) == 1
    relay.records[TESLA] = tesla(2, 58)
    await pass_time(hass, freezer, 2 * MINUTE)
    await shows(hass, TESLA_BATTERY, "58")
    assert len(relay.asked("/vehicles")) == 2


async def test_a_relay_that_wants_to_be_asked_sooner_is(
    hass: HomeAssistant, relay: RelayDouble, *, entry: MockConfigEntry, set_up: SetUp, freezer: FrozenDateTimeFactory
):
    await set_up()
    relay.account["next_poll_at"] = in_(5)
    await hass.config_entries.async_reload(entry.entry_id)
    relay.records[TESLA] = tesla(2, 58)
    await pass_time(hass, freezer, 6 * MINUTE)
    await shows(hass, TESLA_BATTERY, "58")


async def test_spent_calls_do_not_hinder_the_first_start(
    hass: HomeAssistant, relay: RelayDouble, set_up: SetUp, freezer: FrozenDateTimeFactory
):
    with relay.failing("vehicles", with_=SPENT):
        entry = await set_up()
        assert entry.state is ConfigEntryState.LOADED
        await pass_time(hass, freezer, 110 * MINUTE)
        assert len(relay.asked("/vehicles")) == 1
    await pass_time(hass, freezer, 11 * MINUTE)
    await shows(hass, TESLA_BATTERY, "57")
    assert len(relay.asked("/vehicles")) == 2


async def test_other_trouble_at_the_first_start_is_not_taken_for_spent_calls(
    hass: HomeAssistant, relay: RelayDouble, set_up: SetUp
):
    with relay.failing("vehicles", with_=Problem(429, "too-many-requests", headers={"Retry-After": "60"})):
        entry = await set_up()
    assert entry.state is ConfigEntryState.SETUP_RETRY


async def test_what_is_known_is_shown_for_as_long_as_calls_are_spent(
    hass: HomeAssistant, relay: RelayDouble, *, entry: MockConfigEntry, set_up: SetUp, freezer: FrozenDateTimeFactory
):
    await set_up()
    availability = entry.runtime_data.coordinator.availability
    with relay.failing("vehicles", with_=SPENT):
        for wait in (61, 121, 121, 121):
            polls = len(relay.asked("/vehicles"))
            await pass_time(hass, freezer, wait * MINUTE)
            await eventually(lambda before=polls: len(relay.asked("/vehicles")) > before)
            await eventually(lambda: availability.last_contact_at > datetime.now(UTC) - MINUTE)
            assert value(hass, TESLA_BATTERY) == "57"
        polls = len(relay.asked("/vehicles"))
        await hass.config_entries.async_reload(entry.entry_id)
        assert value(hass, TESLA_BATTERY) == "57"
        assert len(relay.asked("/vehicles")) == polls


async def test_a_relay_that_does_not_answer_is_asked_again_soon_and_ever_more_seldom(
    hass: HomeAssistant, relay: RelayDouble, set_up: SetUp, freezer: FrozenDateTimeFactory
):
    relay.account["next_poll_at"] = in_(240)
    coordinator = (await set_up()).runtime_data.coordinator
    with relay.failing("vehicles", with_=Problem(502, "unavailable")):
        for quiet, polls in ((239, 1), (13, 2), (28, 3)):
            await pass_time(hass, freezer, quiet * MINUTE)
            assert len(relay.asked("/vehicles")) == polls
            before = coordinator.last_exception
            await pass_time(hass, freezer, 3 * MINUTE)
            await eventually(lambda known=before: coordinator.last_exception is not known)
            assert len(relay.asked("/vehicles")) == polls + 1
    relay.records[TESLA] = tesla(2, 58)
    relay.account["next_poll_at"] = (datetime.now(UTC) + 240 * MINUTE).isoformat()
    await pass_time(hass, freezer, 61 * MINUTE)
    await shows(hass, TESLA_BATTERY, "58")
    await pass_time(hass, freezer, 230 * MINUTE)
    assert len(relay.asked("/vehicles")) == 5
