"""Signing in with OAuth: the config flow, and the revocation of tokens that it replaces."""

import time

import pytest
from config_flow_helpers import Browser, open_method_menu, open_url_form, remove_entries, submit_form
from helpers import SetupEntry, wait_until
from homeassistant.config_entries import ConfigEntryState
from homeassistant.const import CONF_API_KEY, CONF_TOKEN, CONF_URL
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
from pytest_homeassistant_custom_component.common import MockConfigEntry
from relay_double import ACCOUNT_ID, CODE, KEY, Problem, RelayDouble

from custom_components.evconduit.const import DOMAIN
from custom_components.evconduit.credentials import CONF_INSTALLATION

BATTERY = "sensor.blue_car_battery_level"
SWITCH = "switch.blue_car_charging"


@pytest.fixture
def entry(oauth_entry: MockConfigEntry) -> MockConfigEntry:
    """Make the fixture `setup_entry` use an entry with OAuth tokens."""
    return oauth_entry


@pytest.fixture
def no_entry(hass: HomeAssistant, relay: RelayDouble) -> None:
    assert hass.config_entries.async_entries(DOMAIN) == []


def expire(hass: HomeAssistant, entry: MockConfigEntry) -> None:
    """Let the access token expire."""
    token = entry.data[CONF_TOKEN] | {"expires_at": time.time() - 1}
    hass.config_entries.async_update_entry(entry, data={**entry.data, CONF_TOKEN: token})


@pytest.mark.usefixtures("no_entry")
async def test_sign_in_creates_entry(hass: HomeAssistant, relay: RelayDouble, browser: Browser):
    hass.config.location_name = "Strandvägen 1"
    result = await browser.sign_in(await open_method_menu(hass, relay))
    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert result["title"] == "Home garage"
    entry = result["result"]
    assert entry.unique_id == ACCOUNT_ID
    assert entry.version == 2
    assert entry.state is ConfigEntryState.LOADED
    assert set(entry.data) == {CONF_URL, "auth_implementation", CONF_TOKEN, CONF_INSTALLATION}
    assert browser.authorize_query["installation"] == entry.data[CONF_INSTALLATION]
    assert (entry.data[CONF_URL], entry.data["auth_implementation"]) == (relay.url, DOMAIN)
    assert entry.data[CONF_TOKEN]["refresh_token"] in relay.refresh_tokens
    query = {
        key: browser.authorize_query[key]
        for key in ("client_id", "scope", "name", "redirect_uri", "code_challenge_method")
    }
    assert query == {
        "client_id": "home-assistant",
        "scope": "read control",
        "name": "Strandvägen 1",
        "redirect_uri": "https://my.home-assistant.io/redirect/oauth",
        "code_challenge_method": "S256",
    }
    (exchange,) = relay.get_requests("/oauth/token")  # sent to the entered address, not to the one in the metadata
    assert exchange.body["code"] == CODE
    assert exchange.body["redirect_uri"] == "https://my.home-assistant.io/redirect/oauth"
    assert hass.states.get(BATTERY).state == "57"
    await remove_entries(hass)


@pytest.mark.usefixtures("no_entry")
async def test_each_flow_has_its_own_pkce_challenge(hass: HomeAssistant, relay: RelayDouble, browser: Browser):
    challenges = set()
    for _ in range(2):
        step = await submit_form(hass, await open_method_menu(hass, relay), next_step_id="sign_in")
        assert step["type"] is FlowResultType.EXTERNAL_STEP
        challenges.add(step["url"].partition("code_challenge=")[2].partition("&")[0])
        hass.config_entries.flow.async_abort(step["flow_id"])
    assert len(challenges) == 2


@pytest.mark.usefixtures("no_entry")
async def test_denied_consent_aborts(hass: HomeAssistant, relay: RelayDouble, browser: Browser):
    result = await browser.sign_in(await open_method_menu(hass, relay), error="access_denied")
    assert (result["type"], result["reason"]) == (FlowResultType.ABORT, "user_rejected_authorize")
    assert relay.get_requests("/oauth/token") == []


@pytest.mark.usefixtures("no_entry")
@pytest.mark.parametrize(
    ("answer", "problem", "reason"),
    [
        ({"code": "wrong"}, None, "oauth_unauthorized"),
        ({}, Problem(503), "oauth_failed"),
        ({}, Problem(404, is_relay=False), "oauth_failed"),
    ],
)
async def test_failed_code_exchange_aborts(
    hass: HomeAssistant, relay: RelayDouble, browser: Browser, *, answer: dict[str, str], problem, reason: str
):
    if problem:
        relay.problems["token"] = problem
    result = await browser.sign_in(await open_method_menu(hass, relay), **answer)
    assert (result["type"], result["reason"]) == (FlowResultType.ABORT, reason)
    assert hass.config_entries.async_entries(DOMAIN) == []


@pytest.mark.usefixtures("no_entry")
async def test_tokens_are_revoked_if_the_account_cannot_be_read(
    hass: HomeAssistant, relay: RelayDouble, browser: Browser
):
    relay.problems["account"] = Problem(503, "unavailable")
    result = await browser.sign_in(await submit_form(hass, await open_url_form(hass), url=relay.url))
    assert (result["type"], result["reason"]) == (FlowResultType.ABORT, "cannot_connect")
    assert [request.body["token"] for request in relay.get_requests("/oauth/revoke")] == ["evr_1"]


async def test_tokens_are_revoked_for_a_configured_account(
    hass: HomeAssistant, relay: RelayDouble, entry: MockConfigEntry, browser: Browser
):
    result = await browser.sign_in(await open_method_menu(hass, relay))
    assert (result["type"], result["reason"]) == (FlowResultType.ABORT, "already_configured")
    assert relay.refresh_tokens == {entry.data[CONF_TOKEN]["refresh_token"]}


async def test_reauth_with_sign_in(
    hass: HomeAssistant, relay: RelayDouble, entry: MockConfigEntry, *, setup_entry: SetupEntry, browser: Browser
):
    relay.keys.clear()
    relay.refresh_tokens.clear()
    await setup_entry()
    assert entry.state is ConfigEntryState.SETUP_ERROR
    (flow,) = hass.config_entries.flow.async_progress()
    assert (flow["context"]["source"], flow["step_id"]) == ("reauth", "reauth_confirm")
    done = await browser.sign_in(await submit_form(hass, flow))
    assert done["reason"] == "reauth_successful"
    assert entry.data[CONF_TOKEN]["refresh_token"] in relay.refresh_tokens
    await wait_until(lambda: entry.state is ConfigEntryState.LOADED)


async def test_reauth_reuses_the_installation_id(
    hass: HomeAssistant, relay: RelayDouble, entry: MockConfigEntry, browser: Browser
):
    """Home Assistant was restored from a backup with tokens that the relay no longer knows."""
    lost = entry.data[CONF_TOKEN] | {"access_token": "eva_0", "refresh_token": "evr_0"}
    hass.config_entries.async_update_entry(entry, data={**entry.data, CONF_TOKEN: lost})
    assert relay.refresh_tokens == {"evr_1"}
    await browser.sign_in(await submit_form(hass, await entry.start_reauth_flow(hass)))
    assert browser.authorize_query["installation"] == entry.data[CONF_INSTALLATION] == "home-1"
    assert relay.refresh_tokens == {entry.data[CONF_TOKEN]["refresh_token"]}
    await hass.config_entries.async_unload(entry.entry_id)


async def test_failed_reconfigure_keeps_the_tokens_in_use(
    hass: HomeAssistant, relay: RelayDouble, entry: MockConfigEntry, browser: Browser
):
    relay.problems["account"] = Problem(503, "unavailable")
    menu = await submit_form(hass, await entry.start_reconfigure_flow(hass), url=relay.url)
    result = await browser.sign_in(menu)
    assert (result["type"], result["reason"]) == (FlowResultType.ABORT, "cannot_connect")
    assert browser.authorize_query["installation"] != "home-1"
    assert relay.refresh_tokens == {"evr_1"}


async def test_reauth_with_api_key_revokes_the_tokens(
    hass: HomeAssistant, relay: RelayDouble, entry: MockConfigEntry, browser: Browser
):
    menu = await submit_form(hass, await entry.start_reauth_flow(hass))
    done = await submit_form(hass, await submit_form(hass, menu, next_step_id="api_key"), api_key=KEY)
    assert done["reason"] == "reauth_successful"
    assert entry.data == {CONF_URL: relay.url, CONF_API_KEY: KEY}
    assert relay.refresh_tokens == set()  # the old tokens are revoked
    await hass.config_entries.async_unload(entry.entry_id)


async def test_reauth_aborts_for_another_account(
    hass: HomeAssistant, relay: RelayDouble, entry: MockConfigEntry, browser: Browser
):
    before = dict(entry.data)
    relay.signed_in_user_id = "another account"
    result = await browser.sign_in(await submit_form(hass, await entry.start_reauth_flow(hass)))
    assert (result["type"], result["reason"]) == (FlowResultType.ABORT, "account_mismatch")
    assert entry.data == before
    assert relay.refresh_tokens == {before[CONF_TOKEN]["refresh_token"]}


async def test_reconfigure_from_api_key_to_sign_in(
    hass: HomeAssistant, relay: RelayDouble, entry: MockConfigEntry, *, setup_entry: SetupEntry, browser: Browser
):
    extra = {"webhook_id": "w", "webhook_secret": "s"}
    hass.config_entries.async_update_entry(entry, data={CONF_URL: relay.url, CONF_API_KEY: KEY} | extra)
    await setup_entry()
    menu = await submit_form(hass, await entry.start_reconfigure_flow(hass), url=relay.url)
    done = await browser.sign_in(menu)
    assert done["reason"] == "reconfigure_successful"
    assert set(entry.data) == {CONF_URL, "auth_implementation", CONF_TOKEN, CONF_INSTALLATION, *extra}
    await wait_until(lambda: entry.state is ConfigEntryState.LOADED and len(relay.streams) == 1)
    await wait_until(lambda: relay.get_requests("/stream")[-1].headers["Authorization"].startswith("Bearer eva_"))
    assert relay.get_requests("/oauth/revoke") == []


@pytest.mark.usefixtures("webhook_supported")
@pytest.mark.parametrize("is_kept", [False, True])
async def test_endpoint_of_a_replaced_key_is_deleted(
    hass: HomeAssistant,
    relay: RelayDouble,
    entry: MockConfigEntry,
    *,
    setup_entry: SetupEntry,
    browser: Browser,
    is_kept: bool,
):
    hass.config_entries.async_update_entry(entry, data={CONF_URL: relay.url, CONF_API_KEY: KEY})
    await setup_entry()
    await wait_until(lambda: "webhook_secret" in entry.data)
    menu = await submit_form(hass, await entry.start_reconfigure_flow(hass), url=relay.url)
    if is_kept:
        await submit_form(hass, menu, next_step_id="keep")
    else:
        await browser.sign_in(menu)
    await wait_until(
        lambda: len([request for request in relay.get_requests("/endpoint") if request.method == "PUT"]) == 2
    )
    deleted = [request for request in relay.get_requests("/endpoint") if request.method == "DELETE"]
    assert [request.headers["Authorization"] for request in deleted] == ([] if is_kept else [f"Bearer {KEY}"])


async def test_reconfigure_revokes_replaced_tokens(
    hass: HomeAssistant, relay: RelayDouble, entry: MockConfigEntry, *, setup_entry: SetupEntry, browser: Browser
):
    await setup_entry()
    old = entry.data[CONF_TOKEN]["refresh_token"]
    menu = await submit_form(hass, await entry.start_reconfigure_flow(hass), url=relay.url)
    await browser.sign_in(menu)
    await wait_until(lambda: relay.get_requests("/oauth/revoke"))
    assert relay.refresh_tokens == {entry.data[CONF_TOKEN]["refresh_token"]} != {old}
    assert hass.config_entries.flow.async_progress() == []


async def test_reconfigure_changes_the_url_and_keeps_the_tokens(
    hass: HomeAssistant, relay: RelayDouble, entry: MockConfigEntry, setup_entry: SetupEntry
):
    await setup_entry()
    expire(hass, entry)
    moved = RelayDouble()
    moved.keys, moved.refresh_tokens, moved.token_counter = relay.keys, relay.refresh_tokens, relay.token_counter
    await moved.start()
    menu = await submit_form(hass, await entry.start_reconfigure_flow(hass), url=moved.url)
    done = await submit_form(hass, menu, next_step_id="keep")
    assert done["reason"] == "reconfigure_successful"
    assert entry.data[CONF_URL] == moved.url
    assert {entry.data[CONF_TOKEN]["refresh_token"]} == relay.refresh_tokens
    assert moved.get_requests("/oauth/revoke") == relay.get_requests("/oauth/revoke") == []
    await wait_until(lambda: moved.streams)
    await hass.config_entries.async_unload(entry.entry_id)
    await moved.close()


async def test_reconfigure_aborts_if_the_new_relay_refuses_the_tokens(
    hass: HomeAssistant, relay: RelayDouble, entry: MockConfigEntry, setup_entry: SetupEntry
):
    await setup_entry()
    expire(hass, entry)
    before = dict(entry.data)
    other = RelayDouble()
    await other.start()
    menu = await submit_form(hass, await entry.start_reconfigure_flow(hass), url=other.url)
    result = await submit_form(hass, menu, next_step_id="keep")
    await other.close()
    assert (result["type"], result["reason"]) == (FlowResultType.ABORT, "invalid_auth")
    assert hass.config_entries.flow.async_progress() == []
    assert dict(entry.data) == before
