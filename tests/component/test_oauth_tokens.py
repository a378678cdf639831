"""OAuth tokens of a configured entry: refresh, refusal, and revocation when the entry is removed."""

import time
from http import HTTPStatus

import pytest
from freezegun.api import FrozenDateTimeFactory
from helpers import MINUTE, SetupEntry, advance_time, disconnect_stream, make_tesla_record, wait_for_state, wait_until
from homeassistant.config_entries import ConfigEntryState
from homeassistant.const import CONF_TOKEN
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError
from pytest_homeassistant_custom_component.common import MockConfigEntry
from relay_double import Problem, RelayDouble

from custom_components.evconduit.const import DOMAIN

BATTERY = "sensor.blue_car_battery_level"
SWITCH = "switch.blue_car_charging"


@pytest.fixture
def entry(oauth_entry: MockConfigEntry) -> MockConfigEntry:
    """Make the fixture `setup_entry` use an entry with OAuth tokens."""
    return oauth_entry


def expire(hass: HomeAssistant, entry: MockConfigEntry) -> None:
    """Let the access token expire."""
    token = entry.data[CONF_TOKEN] | {"expires_at": time.time() - 1}
    hass.config_entries.async_update_entry(entry, data={**entry.data, CONF_TOKEN: token})


# Token refresh


async def test_expired_token_is_refreshed_and_stored(
    hass: HomeAssistant, relay: RelayDouble, entry: MockConfigEntry, setup_entry: SetupEntry
):
    expire(hass, entry)
    await setup_entry()
    assert entry.state is ConfigEntryState.LOADED
    token = entry.data[CONF_TOKEN]
    assert (token["access_token"], token["refresh_token"]) == ("eva_2", "evr_2")
    assert token["expires_at"] > time.time() + 1700
    assert [request.body["refresh_token"] for request in relay.get_requests("/oauth/token")] == ["evr_1"]
    assert {request.headers["Authorization"] for request in relay.get_requests("/account")} == {"Bearer eva_2"}


async def test_stream_stays_open_when_its_token_expires(
    hass: HomeAssistant, relay: RelayDouble, *, setup_entry: SetupEntry, freezer: FrozenDateTimeFactory
):
    entry = await setup_entry()
    await advance_time(hass, freezer, 31 * MINUTE)
    relay.push_record(make_tesla_record(2, 58))
    await wait_for_state(hass, BATTERY, "58")
    await disconnect_stream(hass, relay, entry)
    await wait_until(lambda: entry.runtime_data.coordinator.is_streaming)
    assert relay.get_requests("/stream")[-1].headers["Authorization"] == "Bearer eva_2"


async def test_rejected_refresh_token_starts_reauth(
    hass: HomeAssistant, relay: RelayDouble, entry: MockConfigEntry, setup_entry: SetupEntry
):
    await setup_entry()
    expire(hass, entry)
    relay.refresh_tokens.clear()
    with pytest.raises(HomeAssistantError) as raised:
        await hass.services.async_call("switch", "turn_off", {"entity_id": SWITCH}, blocking=True)
    assert raised.value.translation_key == "invalid_auth"
    (flow,) = hass.config_entries.flow.async_progress()
    assert flow["context"]["source"] == "reauth"
    assert relay.get_requests("/charging") == []


@pytest.mark.parametrize(
    "problem",
    [
        Problem(503, headers={"Retry-After": "5"}),
        Problem(429),
        Problem(404, is_relay=False),  # from a gateway while the relay is down
        Problem(200, body=b"<html>"),
    ],
)
async def test_temporary_refresh_error_retries_setup(
    hass: HomeAssistant, relay: RelayDouble, entry: MockConfigEntry, setup_entry: SetupEntry, problem: Problem
):
    expire(hass, entry)
    with relay.failing("token", with_=problem):
        await setup_entry()
        assert entry.state is ConfigEntryState.SETUP_RETRY
    assert hass.config_entries.flow.async_progress() == []
    assert entry.data[CONF_TOKEN]["refresh_token"] == "evr_1"
    await hass.config_entries.async_reload(entry.entry_id)
    assert entry.state is ConfigEntryState.LOADED


async def test_temporary_refresh_error_fails_the_action(
    hass: HomeAssistant, relay: RelayDouble, entry: MockConfigEntry, setup_entry: SetupEntry
):
    await setup_entry()
    expire(hass, entry)
    with relay.failing("token", with_=Problem(503)), pytest.raises(HomeAssistantError) as raised:
        await hass.services.async_call("switch", "turn_off", {"entity_id": SWITCH}, blocking=True)
    assert raised.value.translation_key == "cannot_connect"
    assert hass.config_entries.flow.async_progress() == []
    await hass.services.async_call("switch", "turn_off", {"entity_id": SWITCH}, blocking=True)
    assert len(relay.get_requests("/charging")) == 1


async def test_refused_access_token_is_refreshed_once(
    hass: HomeAssistant, relay: RelayDouble, entry: MockConfigEntry, setup_entry: SetupEntry
):
    """Home Assistant's clock was wrong, or the relay was restored from a backup."""
    await setup_entry()
    del relay.keys["eva_1"]
    await hass.services.async_call("switch", "turn_off", {"entity_id": SWITCH}, blocking=True)
    assert [request.headers["Authorization"] for request in relay.get_requests("/charging")] == [
        "Bearer eva_1",
        "Bearer eva_2",
    ]
    assert entry.data[CONF_TOKEN]["access_token"] == "eva_2"
    assert hass.config_entries.flow.async_progress() == []


async def test_refreshed_token_that_is_refused_too_starts_reauth(
    hass: HomeAssistant, relay: RelayDouble, entry: MockConfigEntry, setup_entry: SetupEntry
):
    await setup_entry()
    problem = Problem(401, "unauthorized")
    with relay.failing("charging", with_=problem), pytest.raises(HomeAssistantError) as raised:
        await hass.services.async_call("switch", "turn_off", {"entity_id": SWITCH}, blocking=True)
    assert raised.value.translation_key == "invalid_auth"
    assert len(relay.get_requests("/charging")) == 2
    assert len(relay.get_requests("/oauth/token")) == 1
    (flow,) = hass.config_entries.flow.async_progress()
    assert flow["context"]["source"] == "reauth"


async def test_refusal_by_a_gateway_refreshes_nothing(
    hass: HomeAssistant, relay: RelayDouble, entry: MockConfigEntry, setup_entry: SetupEntry
):
    await setup_entry()
    problem = Problem(401, is_relay=False)
    with relay.failing("charging", with_=problem), pytest.raises(HomeAssistantError) as raised:
        await hass.services.async_call("switch", "turn_off", {"entity_id": SWITCH}, blocking=True)
    assert raised.value.translation_key == "unsupported_relay"
    assert len(relay.get_requests("/charging")) == 1
    assert relay.get_requests("/oauth/token") == []
    assert hass.config_entries.flow.async_progress() == []


async def test_revoked_access_ends_the_stream_and_starts_reauth(
    hass: HomeAssistant, relay: RelayDouble, entry: MockConfigEntry, setup_entry: SetupEntry
):
    await setup_entry()
    relay.keys.clear()
    relay.refresh_tokens.clear()
    relay.send("bye", {"reason": "revoked", "retry_after": 0}, cursor=False)
    relay.break_streams()
    await wait_until(hass.config_entries.flow.async_progress)
    assert len(relay.get_requests("/oauth/token")) == 1


# Removal


@pytest.mark.usefixtures("webhook_supported")
@pytest.mark.parametrize("is_old", [False, True])
async def test_removed_entry_deletes_endpoint_and_revokes_tokens(
    hass: HomeAssistant, relay: RelayDouble, entry: MockConfigEntry, *, setup_entry: SetupEntry, is_old: bool
):
    await setup_entry()
    await wait_until(lambda: "webhook_secret" in entry.data)
    if is_old:
        await hass.config_entries.async_unload(entry.entry_id)
        expire(hass, entry)
    await hass.config_entries.async_remove(entry.entry_id)
    assert relay.endpoint is None
    assert relay.refresh_tokens == set()
    assert [request.path for request in relay.requests[-2:]] == ["/api/ha/v2/endpoint", "/oauth/revoke"]


@pytest.mark.parametrize(
    ("expires_in", "is_refreshed"),
    [pytest.param(60, False, id="still valid for the requests"), pytest.param(5, True, id="expires meanwhile")],
)
async def test_token_that_expires_during_the_removal_is_refreshed_first(
    hass: HomeAssistant,
    relay: RelayDouble,
    entry: MockConfigEntry,
    setup_entry: SetupEntry,
    *,
    expires_in: int,
    is_refreshed: bool,
):
    await setup_entry()
    await hass.config_entries.async_unload(entry.entry_id)
    token = entry.data[CONF_TOKEN] | {"expires_at": time.time() + expires_in}
    hass.config_entries.async_update_entry(entry, data={**entry.data, CONF_TOKEN: token})
    await hass.config_entries.async_remove(entry.entry_id)
    revoked = "evr_2" if is_refreshed else "evr_1"
    assert [request.body["token"] for request in relay.get_requests("/oauth/revoke")] == [revoked]
    assert len(relay.get_requests("/oauth/token")) == is_refreshed
    assert relay.refresh_tokens == set()


@pytest.mark.parametrize("failing", ["token", "revoke", "everything"])
async def test_entry_can_be_removed_while_the_relay_is_down(
    hass: HomeAssistant, relay: RelayDouble, entry: MockConfigEntry, setup_entry: SetupEntry, failing: str
):
    await setup_entry()
    await hass.config_entries.async_unload(entry.entry_id)
    expire(hass, entry)
    if failing == "everything":
        await relay.close()
    else:
        relay.problems[failing] = Problem(HTTPStatus.BAD_GATEWAY, is_relay=False)
    await hass.config_entries.async_remove(entry.entry_id)
    assert hass.config_entries.async_entries(DOMAIN) == []
