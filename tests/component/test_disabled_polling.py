"""The user disabled polling in the system options of the entry: only the action to update an entity polls."""

from datetime import timedelta

import pytest
from freezegun.api import FrozenDateTimeFactory
from helpers import (
    MINUTE,
    TESLA_BATTERY,
    SetupEntry,
    advance_time,
    disconnect_stream,
    get_state,
    make_tesla_record,
    wait_for_sent_requests,
    wait_for_state,
)
from homeassistant.const import STATE_UNAVAILABLE
from homeassistant.core import HomeAssistant
from homeassistant.setup import async_setup_component
from pytest_homeassistant_custom_component.common import MockConfigEntry
from relay_double import TESLA, Problem, RelayDouble, make_account


@pytest.mark.parametrize("push", [True, False])
async def test_only_the_update_action_polls_while_polling_is_disabled(
    hass: HomeAssistant,
    relay: RelayDouble,
    entry: MockConfigEntry,
    *,
    setup_entry: SetupEntry,
    freezer: FrozenDateTimeFactory,
    push: bool,
):
    assert await async_setup_component(hass, "homeassistant", {})
    hass.config_entries.async_update_entry(entry, pref_disable_polling=True)
    relay.account = make_account(push=push)
    await setup_entry()
    polls = len(relay.get_requests("/vehicles"))
    assert polls == (0 if push else 1)  # setup itself has to learn the vehicles
    relay.records[TESLA] = make_tesla_record(2, 58)
    with relay.failing("stream", with_=Problem(502, is_relay=False)):
        if push:
            await disconnect_stream(hass, relay, entry)
        for wait in (3 * MINUTE, 20 * MINUTE, 61 * MINUTE, timedelta(hours=24)):
            await advance_time(hass, freezer, wait)
            await wait_for_sent_requests(entry)
        assert len(relay.get_requests("/vehicles")) == polls
        assert get_state(hass, TESLA_BATTERY) == STATE_UNAVAILABLE
        await hass.services.async_call("homeassistant", "update_entity", {"entity_id": TESLA_BATTERY}, blocking=True)
        await wait_for_state(hass, TESLA_BATTERY, "58")
        await advance_time(hass, freezer, timedelta(hours=24))
        await wait_for_sent_requests(entry)
        assert len(relay.get_requests("/vehicles")) == polls + 1
