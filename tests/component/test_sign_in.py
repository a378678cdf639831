"""Signed in with an account: the flow, the tokens, and what becomes of them."""

import time
from http import HTTPStatus

import pytest
from flows import Browser, begin, remove, to_menu, type_in
from freezegun.api import FrozenDateTimeFactory
from helpers import MINUTE, SetUp, eventually, outage, pass_time, shows, tesla
from homeassistant.config_entries import ConfigEntryState
from homeassistant.const import CONF_API_KEY, CONF_TOKEN, CONF_URL
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
from homeassistant.exceptions import HomeAssistantError
from pytest_homeassistant_custom_component.common import MockConfigEntry
from relay_double import ACCOUNT_ID, CODE, KEY, Problem, RelayDouble

from custom_components.evconduit.const import DOMAIN
from custom_components.evconduit.credentials import CONF_INSTALLATION

BATTERY = "sensor.blue_car_battery_level"
SWITCH = "switch.blue_car_charging"


@pytest.fixture
def entry(signed_in: MockConfigEntry) -> MockConfigEntry:
    """For the fixture `set_up`."""
    return signed_in


@pytest.fixture
def none_yet(hass: HomeAssistant, relay: RelayDouble) -> None:
    assert hass.config_entries.async_entries(DOMAIN) == []


def expire(hass: HomeAssistant, entry: MockConfigEntry) -> None:
    """As half an hour does."""
    token = entry.data[CONF_TOKEN] | {"expires_at": time.time() - 1}
    hass.config_entries.async_update_entry(entry, data={**entry.data, CONF_TOKEN: token})


@pytest.mark.usefixtures("none_yet")
async def test_signing_in_makes_an_entry(hass: HomeAssistant, relay: RelayDouble, browser: Browser):
    hass.config.location_name = "Strandvägen 1"
    made = await browser.sign_in(await to_menu(hass, relay))
    assert made["type"] is FlowResultType.CREATE_ENTRY
    assert made["title"] == "Home garage"
    entry = made["result"]
    assert entry.unique_id == ACCOUNT_ID
    assert entry.version == 2
    assert entry.state is ConfigEntryState.LOADED
    assert set(entry.data) == {CONF_URL, "auth_implementation", CONF_TOKEN, CONF_INSTALLATION}
    assert browser.asked["installation"] == entry.data[CONF_INSTALLATION]
    assert (entry.data[CONF_URL], entry.data["auth_implementation"]) == (relay.url, DOMAIN)
    assert entry.data[CONF_TOKEN]["refresh_token"] in relay.refresh_tokens
    asked = {key: browser.asked[key] for key in ("client_id", "scope", "name", "redirect_uri", "code_challenge_method")}
    assert asked == {
        "client_id": "home-assistant",
        "scope": "read control",
        "name": "Strandvägen 1",
        "redirect_uri": "https://my.home-assistant.io/redirect/oauth",
        "code_challenge_method": "S256",
    }
    (exchange,) = relay.asked("/oauth/token")  # at the address that was typed, whatever the metadata say
    assert exchange.body["code"] == CODE
    assert exchange.body["redirect_uri"] == "https://my.home-assistant.io/redirect/oauth"
    assert hass.states.get(BATTERY).state == "57"
    await remove(hass)


@pytest.mark.usefixtures("none_yet")
async def test_each_flow_has_a_secret_of_its_own(hass: HomeAssistant, relay: RelayDouble, browser: Browser):
    challenges = set()
    for _ in range(2):
        step = await type_in(hass, await to_menu(hass, relay), next_step_id="sign_in")
        assert step["type"] is FlowResultType.EXTERNAL_STEP
        challenges.add(step["url"].partition("code_challenge=")[2].partition("&")[0])
        hass.config_entries.flow.async_abort(step["flow_id"])
    assert len(challenges) == 2


@pytest.mark.usefixtures("none_yet")
async def test_who_says_no_is_left_alone(hass: HomeAssistant, relay: RelayDouble, browser: Browser):
    result = await browser.sign_in(await to_menu(hass, relay), error="access_denied")
    assert (result["type"], result["reason"]) == (FlowResultType.ABORT, "user_rejected_authorize")
    assert relay.asked("/oauth/token") == []


@pytest.mark.usefixtures("none_yet")
@pytest.mark.parametrize(
    ("answer", "problem", "reason"),
    [
        ({"code": "wrong"}, None, "oauth_unauthorized"),
        ({}, Problem(503), "oauth_failed"),
        ({}, Problem(404, is_relay=False), "oauth_failed"),
    ],
)
async def test_a_code_that_gives_no_tokens(
    hass: HomeAssistant, relay: RelayDouble, browser: Browser, *, answer: dict[str, str], problem, reason: str
):
    if problem:
        relay.problems["token"] = problem
    result = await browser.sign_in(await to_menu(hass, relay), **answer)
    assert (result["type"], result["reason"]) == (FlowResultType.ABORT, reason)
    assert hass.config_entries.async_entries(DOMAIN) == []


@pytest.mark.usefixtures("none_yet")
async def test_access_that_opens_nothing_is_given_back(hass: HomeAssistant, relay: RelayDouble, browser: Browser):
    relay.problems["account"] = Problem(503, "unavailable")
    result = await browser.sign_in(await type_in(hass, await begin(hass), url=relay.url))
    assert (result["type"], result["reason"]) == (FlowResultType.ABORT, "cannot_connect")
    assert [it.body["token"] for it in relay.asked("/oauth/revoke")] == ["evr_1"]


async def test_an_account_is_signed_in_to_once(
    hass: HomeAssistant, relay: RelayDouble, entry: MockConfigEntry, browser: Browser
):
    result = await browser.sign_in(await to_menu(hass, relay))
    assert (result["type"], result["reason"]) == (FlowResultType.ABORT, "already_configured")
    assert relay.refresh_tokens == {entry.data[CONF_TOKEN]["refresh_token"]}


async def test_after_the_end_of_access_one_signs_in_again(
    hass: HomeAssistant, relay: RelayDouble, entry: MockConfigEntry, *, set_up: SetUp, browser: Browser
):
    relay.keys.clear()
    relay.refresh_tokens.clear()
    await set_up()
    assert entry.state is ConfigEntryState.SETUP_ERROR
    (flow,) = hass.config_entries.flow.async_progress()
    assert (flow["context"]["source"], flow["step_id"]) == ("reauth", "reauth_confirm")
    done = await browser.sign_in(await type_in(hass, flow))
    assert done["reason"] == "reauth_successful"
    assert entry.data[CONF_TOKEN]["refresh_token"] in relay.refresh_tokens
    await eventually(lambda: entry.state is ConfigEntryState.LOADED)


async def test_who_lost_the_tokens_is_the_same_installation_again(
    hass: HomeAssistant, relay: RelayDouble, entry: MockConfigEntry, browser: Browser
):
    """Home Assistant was restored from a backup, older than what the relay remembers of dead tokens."""
    lost = entry.data[CONF_TOKEN] | {"access_token": "eva_0", "refresh_token": "evr_0"}
    hass.config_entries.async_update_entry(entry, data={**entry.data, CONF_TOKEN: lost})
    assert relay.refresh_tokens == {"evr_1"}
    await browser.sign_in(await type_in(hass, await entry.start_reauth_flow(hass)))
    assert browser.asked["installation"] == entry.data[CONF_INSTALLATION] == "home-1"
    assert relay.refresh_tokens == {entry.data[CONF_TOKEN]["refresh_token"]}
    await hass.config_entries.async_unload(entry.entry_id)


async def test_what_comes_to_nothing_ends_no_access_that_is_in_use(
    hass: HomeAssistant, relay: RelayDouble, entry: MockConfigEntry, browser: Browser
):
    relay.problems["account"] = Problem(503, "unavailable")
    menu = await type_in(hass, await entry.start_reconfigure_flow(hass), url=relay.url)
    result = await browser.sign_in(menu)
    assert (result["type"], result["reason"]) == (FlowResultType.ABORT, "cannot_connect")
    assert browser.asked["installation"] != "home-1"
    assert relay.refresh_tokens == {"evr_1"}


async def test_after_the_end_of_access_a_key_will_do(
    hass: HomeAssistant, relay: RelayDouble, entry: MockConfigEntry, browser: Browser
):
    menu = await type_in(hass, await entry.start_reauth_flow(hass))
    done = await type_in(hass, await type_in(hass, menu, next_step_id="api_key"), api_key=KEY)
    assert done["reason"] == "reauth_successful"
    assert entry.data == {CONF_URL: relay.url, CONF_API_KEY: KEY}
    assert relay.refresh_tokens == set()  # the old access is given back
    await hass.config_entries.async_unload(entry.entry_id)


async def test_another_account_does_not_take_the_entry_over(
    hass: HomeAssistant, relay: RelayDouble, entry: MockConfigEntry, browser: Browser
):
    before = dict(entry.data)
    relay.signed_in = "another account"
    result = await browser.sign_in(await type_in(hass, await entry.start_reauth_flow(hass)))
    assert (result["type"], result["reason"]) == (FlowResultType.ABORT, "account_mismatch")
    assert entry.data == before
    assert relay.refresh_tokens == {before[CONF_TOKEN]["refresh_token"]}


async def test_from_a_key_to_an_account(
    hass: HomeAssistant, relay: RelayDouble, entry: MockConfigEntry, *, set_up: SetUp, browser: Browser
):
    extra = {"webhook_id": "w", "webhook_secret": "s"}
    hass.config_entries.async_update_entry(entry, data={CONF_URL: relay.url, CONF_API_KEY: KEY} | extra)
    await set_up()
    menu = await type_in(hass, await entry.start_reconfigure_flow(hass), url=relay.url)
    done = await browser.sign_in(menu)
    assert done["reason"] == "reconfigure_successful"
    assert set(entry.data) == {CONF_URL, "auth_implementation", CONF_TOKEN, CONF_INSTALLATION, *extra}
    await eventually(lambda: entry.state is ConfigEntryState.LOADED and len(relay.streams) == 1)
    await eventually(lambda: relay.asked("/stream")[-1].headers["Authorization"].startswith("Bearer eva_"))
    assert relay.asked("/oauth/revoke") == []


@pytest.mark.usefixtures("webhooks")
@pytest.mark.parametrize("is_kept", [False, True])
async def test_a_key_that_is_not_used_any_more_is_not_told_any_more(
    hass: HomeAssistant, relay: RelayDouble, entry: MockConfigEntry, *, set_up: SetUp, browser: Browser, is_kept: bool
):
    hass.config_entries.async_update_entry(entry, data={CONF_URL: relay.url, CONF_API_KEY: KEY})
    await set_up()
    await eventually(lambda: "webhook_secret" in entry.data)
    menu = await type_in(hass, await entry.start_reconfigure_flow(hass), url=relay.url)
    if is_kept:
        await type_in(hass, menu, next_step_id="keep")
    else:
        await browser.sign_in(menu)
    await eventually(lambda: len([it for it in relay.asked("/endpoint") if it.method == "PUT"]) == 2)
    taken_back = [it for it in relay.asked("/endpoint") if it.method == "DELETE"]
    assert [it.headers["Authorization"] for it in taken_back] == ([] if is_kept else [f"Bearer {KEY}"])


async def test_signing_in_anew_gives_the_old_access_back(
    hass: HomeAssistant, relay: RelayDouble, entry: MockConfigEntry, *, set_up: SetUp, browser: Browser
):
    await set_up()
    old = entry.data[CONF_TOKEN]["refresh_token"]
    menu = await type_in(hass, await entry.start_reconfigure_flow(hass), url=relay.url)
    await browser.sign_in(menu)
    await eventually(lambda: relay.asked("/oauth/revoke"))
    assert relay.refresh_tokens == {entry.data[CONF_TOKEN]["refresh_token"]} != {old}
    assert hass.config_entries.flow.async_progress() == []


async def test_another_address_with_the_same_access(
    hass: HomeAssistant, relay: RelayDouble, entry: MockConfigEntry, set_up: SetUp
):
    await set_up()
    expire(hass, entry)
    moved = RelayDouble()
    moved.keys, moved.refresh_tokens, moved.pairs = relay.keys, relay.refresh_tokens, relay.pairs
    await moved.start()
    menu = await type_in(hass, await entry.start_reconfigure_flow(hass), url=moved.url)
    done = await type_in(hass, menu, next_step_id="keep")
    assert done["reason"] == "reconfigure_successful"
    assert entry.data[CONF_URL] == moved.url
    assert {entry.data[CONF_TOKEN]["refresh_token"]} == relay.refresh_tokens
    assert moved.asked("/oauth/revoke") == relay.asked("/oauth/revoke") == []
    await eventually(lambda: moved.streams)
    await hass.config_entries.async_unload(entry.entry_id)
    await moved.close()


async def test_another_relay_that_does_not_know_the_access_is_no_reason_to_sign_in_anew(
    hass: HomeAssistant, relay: RelayDouble, entry: MockConfigEntry, set_up: SetUp
):
    await set_up()
    expire(hass, entry)
    before = dict(entry.data)
    other = RelayDouble()
    await other.start()
    menu = await type_in(hass, await entry.start_reconfigure_flow(hass), url=other.url)
    result = await type_in(hass, menu, next_step_id="keep")
    await other.close()
    assert (result["type"], result["reason"]) == (FlowResultType.ABORT, "invalid_auth")
    assert hass.config_entries.flow.async_progress() == []
    assert dict(entry.data) == before


# Tokens


async def test_a_token_is_refreshed_and_its_successor_kept(
    hass: HomeAssistant, relay: RelayDouble, entry: MockConfigEntry, set_up: SetUp
):
    expire(hass, entry)
    await set_up()
    assert entry.state is ConfigEntryState.LOADED
    token = entry.data[CONF_TOKEN]
    assert (token["access_token"], token["refresh_token"]) == ("eva_2", "evr_2")
    assert token["expires_at"] > time.time() + 1700
    assert [it.body["refresh_token"] for it in relay.asked("/oauth/token")] == ["evr_1"]
    assert {it.headers["Authorization"] for it in relay.asked("/account")} == {"Bearer eva_2"}


async def test_the_stream_outlives_its_token(
    hass: HomeAssistant, relay: RelayDouble, *, set_up: SetUp, freezer: FrozenDateTimeFactory
):
    entry = await set_up()
    await pass_time(hass, freezer, 31 * MINUTE)
    relay.push(tesla(2, 58))
    await shows(hass, BATTERY, "58")
    await outage(hass, relay, entry)
    await eventually(lambda: entry.runtime_data.coordinator.is_streaming)
    assert relay.asked("/stream")[-1].headers["Authorization"] == "Bearer eva_2"


async def test_no_fresh_token_for_ever_asks_to_sign_in(
    hass: HomeAssistant, relay: RelayDouble, entry: MockConfigEntry, set_up: SetUp
):
    await set_up()
    expire(hass, entry)
    relay.refresh_tokens.clear()
    with pytest.raises(HomeAssistantError) as refused:
        await hass.services.async_call("switch", "turn_off", {"entity_id": SWITCH}, blocking=True)
    assert refused.value.translation_key == "invalid_auth"
    (flow,) = hass.config_entries.flow.async_progress()
    assert flow["context"]["source"] == "reauth"
    assert relay.asked("/charging") == []


@pytest.mark.parametrize(
    "problem",
    [
        Problem(503, headers={"Retry-After": "5"}),
        Problem(429),
        Problem(404, is_relay=False),  # a gateway's, while the relay is down
        Problem(200, body=b"<html>"),
    ],
)
async def test_no_fresh_token_for_now_is_tried_again(
    hass: HomeAssistant, relay: RelayDouble, entry: MockConfigEntry, set_up: SetUp, problem: Problem
):
    expire(hass, entry)
    with relay.failing("token", with_=problem):
        await set_up()
        assert entry.state is ConfigEntryState.SETUP_RETRY
    assert hass.config_entries.flow.async_progress() == []
    assert entry.data[CONF_TOKEN]["refresh_token"] == "evr_1"
    await hass.config_entries.async_reload(entry.entry_id)
    assert entry.state is ConfigEntryState.LOADED


async def test_no_fresh_token_for_now_is_told_to_who_asks(
    hass: HomeAssistant, relay: RelayDouble, entry: MockConfigEntry, set_up: SetUp
):
    await set_up()
    expire(hass, entry)
    with relay.failing("token", with_=Problem(503)), pytest.raises(HomeAssistantError) as refused:
        await hass.services.async_call("switch", "turn_off", {"entity_id": SWITCH}, blocking=True)
    assert refused.value.translation_key == "cannot_connect"
    assert hass.config_entries.flow.async_progress() == []
    await hass.services.async_call("switch", "turn_off", {"entity_id": SWITCH}, blocking=True)
    assert len(relay.asked("/charging")) == 1


async def test_a_token_that_died_before_its_time_is_replaced(
    hass: HomeAssistant, relay: RelayDouble, entry: MockConfigEntry, set_up: SetUp
):
    """Home Assistant's clock was wrong, or the relay was restored from a backup."""
    await set_up()
    del relay.keys["eva_1"]
    await hass.services.async_call("switch", "turn_off", {"entity_id": SWITCH}, blocking=True)
    assert [it.headers["Authorization"] for it in relay.asked("/charging")] == ["Bearer eva_1", "Bearer eva_2"]
    assert entry.data[CONF_TOKEN]["access_token"] == "eva_2"
    assert hass.config_entries.flow.async_progress() == []


async def test_withdrawn_access_ends_the_stream_and_asks_to_sign_in(
    hass: HomeAssistant, relay: RelayDouble, entry: MockConfigEntry, set_up: SetUp
):
    await set_up()
    relay.keys.clear()
    relay.refresh_tokens.clear()
    relay.say("bye", {"reason": "revoked", "retry_after": 0}, cursor=False)
    relay.break_streams()
    await eventually(hass.config_entries.flow.async_progress)
    assert len(relay.asked("/oauth/token")) == 1


# The end


@pytest.mark.usefixtures("webhooks")
@pytest.mark.parametrize("is_old", [False, True])
async def test_a_removed_entry_gives_everything_back(
    hass: HomeAssistant, relay: RelayDouble, entry: MockConfigEntry, *, set_up: SetUp, is_old: bool
):
    await set_up()
    await eventually(lambda: "webhook_secret" in entry.data)
    if is_old:
        await hass.config_entries.async_unload(entry.entry_id)
        expire(hass, entry)
    await hass.config_entries.async_remove(entry.entry_id)
    assert relay.endpoint is None
    assert relay.refresh_tokens == set()
    assert [it.path for it in relay.requests[-2:]] == ["/api/ha/v2/endpoint", "/oauth/revoke"]


@pytest.mark.parametrize("where", ["token", "revoke", "everywhere"])
async def test_an_entry_can_be_removed_while_the_relay_is_away(
    hass: HomeAssistant, relay: RelayDouble, entry: MockConfigEntry, set_up: SetUp, where: str
):
    await set_up()
    await hass.config_entries.async_unload(entry.entry_id)
    expire(hass, entry)
    if where == "everywhere":
        await relay.close()
    else:
        relay.problems[where] = Problem(HTTPStatus.BAD_GATEWAY, is_relay=False)
    await hass.config_entries.async_remove(entry.entry_id)
    assert hass.config_entries.async_entries(DOMAIN) == []
