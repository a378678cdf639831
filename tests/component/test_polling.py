"""Without push: polls at the times that the relay requests, across reloads and errors."""

from datetime import UTC, datetime, timedelta

import pytest
from freezegun.api import FrozenDateTimeFactory
from helpers import (
    MINUTE,
    TESLA_BATTERY,
    SetupEntry,
    advance_time,
    get_state,
    make_tesla_record,
    wait_for_sent_requests,
    wait_for_state,
    wait_until,
)
from homeassistant.config_entries import ConfigEntryState
from homeassistant.core import HomeAssistant
from pytest_homeassistant_custom_component.common import MockConfigEntry
from relay_double import TESLA, Problem, RelayDouble, make_account

from custom_components.evconduit.const import DOMAIN

NOW = datetime(2026, 11, 20, 18, tzinfo=UTC)
ALLOWANCE_EXHAUSTED = Problem(429, "quota-exhausted", headers={"Retry-After": "7200"})


def minutes_from_start(minutes: int) -> str:
    return (NOW + timedelta(minutes=minutes)).isoformat()


@pytest.fixture(autouse=True)
def _no_push(relay: RelayDouble, freezer: FrozenDateTimeFactory) -> None:
    freezer.move_to(NOW)
    relay.account = make_account(push=False, next_poll_at=minutes_from_start(60))


async def test_poll_result_is_stored(hass: HomeAssistant, setup_entry: SetupEntry, hass_storage):
    entry = await setup_entry()
    await hass.async_stop()
    stored = hass_storage[f"{DOMAIN}.{entry.entry_id}"]["data"]
    assert len(stored["vehicles"]) == 3
    assert datetime.fromisoformat(stored["poll_at"]) == NOW + timedelta(hours=1)


async def test_reloads_neither_poll_nor_postpone_the_next_poll(
    hass: HomeAssistant,
    relay: RelayDouble,
    *,
    entry: MockConfigEntry,
    setup_entry: SetupEntry,
    freezer: FrozenDateTimeFactory,
):
    await setup_entry()
    for minute in (20, 40, 59):
        await advance_time(hass, freezer, NOW + timedelta(minutes=minute) - datetime.now(UTC))
        relay.account["next_poll_at"] = minutes_from_start(minute + 60)  # the relay plans from each request
        await hass.config_entries.async_reload(entry.entry_id)
        await wait_for_sent_requests(entry)
        assert get_state(hass, TESLA_BATTERY) == "57"
    assert len(relay.get_requests("/vehicles")) == 1
    relay.records[TESLA] = make_tesla_record(2, 58)
    await advance_time(hass, freezer, 2 * MINUTE)
    await wait_for_state(hass, TESLA_BATTERY, "58")
    assert len(relay.get_requests("/vehicles")) == 2


async def test_reload_polls_earlier_if_the_relay_requests_it(
    hass: HomeAssistant,
    relay: RelayDouble,
    *,
    entry: MockConfigEntry,
    setup_entry: SetupEntry,
    freezer: FrozenDateTimeFactory,
):
    await setup_entry()
    relay.account["next_poll_at"] = minutes_from_start(5)
    await hass.config_entries.async_reload(entry.entry_id)
    relay.records[TESLA] = make_tesla_record(2, 58)
    await advance_time(hass, freezer, 6 * MINUTE)
    await wait_for_state(hass, TESLA_BATTERY, "58")


async def test_setup_succeeds_with_exhausted_allowance(
    hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry, freezer: FrozenDateTimeFactory
):
    with relay.failing("vehicles", with_=ALLOWANCE_EXHAUSTED):
        entry = await setup_entry()
        assert entry.state is ConfigEntryState.LOADED
        await advance_time(hass, freezer, 110 * MINUTE)
        await wait_for_sent_requests(entry)
        assert len(relay.get_requests("/vehicles")) == 1
    await advance_time(hass, freezer, 11 * MINUTE)
    await wait_for_state(hass, TESLA_BATTERY, "57")
    assert len(relay.get_requests("/vehicles")) == 2


async def test_exhausted_allowance_without_delay_is_retried_when_the_relay_requests_the_next_poll(
    hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry, freezer: FrozenDateTimeFactory
):
    with relay.failing("vehicles", with_=Problem(429, "quota-exhausted")):
        entry = await setup_entry()
        assert entry.state is ConfigEntryState.LOADED
        await advance_time(hass, freezer, 59 * MINUTE)
        await wait_for_sent_requests(entry)
        assert len(relay.get_requests("/vehicles")) == 1
    await advance_time(hass, freezer, 2 * MINUTE)
    await wait_for_state(hass, TESLA_BATTERY, "57")


@pytest.mark.parametrize("problem", [Problem(401, "unauthorized"), Problem(403, "forbidden")])
async def test_refused_first_poll_starts_reauth(
    hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry, problem: Problem
):
    with relay.failing("vehicles", with_=problem):
        entry = await setup_entry()
    assert entry.state is ConfigEntryState.SETUP_ERROR
    (flow,) = hass.config_entries.flow.async_progress()
    assert flow["context"]["source"] == "reauth"


async def test_setup_is_retried_for_another_429(hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry):
    with relay.failing("vehicles", with_=Problem(429, "too-many-requests", headers={"Retry-After": "60"})):
        entry = await setup_entry()
    assert entry.state is ConfigEntryState.SETUP_RETRY


async def test_states_stay_while_the_allowance_is_exhausted(
    hass: HomeAssistant,
    relay: RelayDouble,
    *,
    entry: MockConfigEntry,
    setup_entry: SetupEntry,
    freezer: FrozenDateTimeFactory,
):
    await setup_entry()
    availability = entry.runtime_data.coordinator.availability
    with relay.failing("vehicles", with_=ALLOWANCE_EXHAUSTED):
        for wait in (61, 121, 121, 121):
            polls = len(relay.get_requests("/vehicles"))
            await advance_time(hass, freezer, wait * MINUTE)
            await wait_until(lambda before=polls: len(relay.get_requests("/vehicles")) > before)
            await wait_until(lambda: availability.last_contact_at > datetime.now(UTC) - MINUTE)
            assert get_state(hass, TESLA_BATTERY) == "57"
        polls = len(relay.get_requests("/vehicles"))
        await hass.config_entries.async_reload(entry.entry_id)
        assert get_state(hass, TESLA_BATTERY) == "57"
        assert len(relay.get_requests("/vehicles")) == polls


async def test_failed_polls_back_off(
    hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry, freezer: FrozenDateTimeFactory
):
    relay.account["next_poll_at"] = minutes_from_start(240)
    entry = await setup_entry()
    coordinator = entry.runtime_data.coordinator
    with relay.failing("vehicles", with_=Problem(502, "unavailable")):
        for quiet, polls in ((239, 1), (13, 2), (28, 3)):
            await advance_time(hass, freezer, quiet * MINUTE)
            await wait_for_sent_requests(entry)
            assert len(relay.get_requests("/vehicles")) == polls
            before = coordinator.last_exception
            await advance_time(hass, freezer, 3 * MINUTE)
            await wait_until(lambda previous=before: coordinator.last_exception is not previous)
            assert len(relay.get_requests("/vehicles")) == polls + 1
    relay.records[TESLA] = make_tesla_record(2, 58)
    relay.account["next_poll_at"] = (datetime.now(UTC) + 240 * MINUTE).isoformat()
    await advance_time(hass, freezer, 61 * MINUTE)
    await wait_for_state(hass, TESLA_BATTERY, "58")
    await advance_time(hass, freezer, 170 * MINUTE)  # the relay requested a poll 179 minutes after the last one
    await wait_for_sent_requests(entry)
    assert len(relay.get_requests("/vehicles")) == 5
    with relay.failing("vehicles", with_=Problem(502, "unavailable")):
        await advance_time(hass, freezer, 10 * MINUTE)
        await wait_until(lambda: not coordinator.last_update_success)
        await advance_time(hass, freezer, 16 * MINUTE)  # the backoff starts again after a success
        await wait_until(lambda: len(relay.get_requests("/vehicles")) == 7)
