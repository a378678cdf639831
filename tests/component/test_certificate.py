"""A relay with a self-signed certificate: named, trusted by its fingerprint, and asked about again when it changes."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from config_flow_helpers import Browser, open_url_form, remove_entries, start_user_flow, submit_form
from helpers import wait_until
from homeassistant.config_entries import ConfigEntryState
from homeassistant.const import CONF_API_KEY, CONF_TOKEN, CONF_URL
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
from homeassistant.helpers.aiohttp_client import async_get_clientsession
from pytest_homeassistant_custom_component.common import MockConfigEntry
from relay_double import ACCOUNT_ID, KEY, Problem, RelayDouble
from tls_proxy import TlsProxy, run_tls_proxy

from custom_components.evconduit import const, relay_search
from custom_components.evconduit.client import (
    CertificateChangedError,
    RelayConnectionError,
    UnsupportedRelayError,
    fetch_fingerprint,
    format_fingerprint,
)
from custom_components.evconduit.const import DOMAIN
from custom_components.evconduit.credentials import CONF_FINGERPRINT, CONF_INSTALLATION, create_client

OTHER_FINGERPRINT = "00" * 32


@pytest.fixture
def proxy(relay: RelayDouble, tmp_path: Path) -> Iterator[TlsProxy]:
    with run_tls_proxy(relay.url, tmp_path) as proxy:
        relay.authorize_url = f"{proxy.url}/oauth/authorize"
        yield proxy


@pytest.fixture
def trusting_entry(hass: HomeAssistant, proxy: TlsProxy) -> MockConfigEntry:
    """An entry whose user trusts the proxy's certificate."""
    data = {CONF_URL: proxy.url, CONF_API_KEY: KEY, CONF_FINGERPRINT: proxy.fingerprint}
    entry = MockConfigEntry(domain=DOMAIN, version=2, title="Home garage", unique_id=ACCOUNT_ID, data=data)
    entry.add_to_hass(hass)
    return entry


@pytest.fixture
def trusting_oauth_entry(hass: HomeAssistant, relay: RelayDouble, proxy: TlsProxy) -> MockConfigEntry:
    """The same with tokens, of which the access token has expired."""
    data = {
        CONF_URL: proxy.url,
        "auth_implementation": DOMAIN,
        CONF_INSTALLATION: "home-1",
        CONF_FINGERPRINT: proxy.fingerprint,
        CONF_TOKEN: relay.issue_tokens() | {"expires_at": time.time() - 1},
    }
    entry = MockConfigEntry(domain=DOMAIN, version=2, title="Home garage", unique_id=ACCOUNT_ID, data=data)
    entry.add_to_hass(hass)
    return entry


@pytest.mark.parametrize("has_scheme", [True, False])
async def test_certificate_is_named_and_can_be_trusted(hass: HomeAssistant, proxy: TlsProxy, *, has_scheme: bool):
    address = proxy.url if has_scheme else proxy.url.removeprefix("https://")
    menu = await submit_form(hass, await open_url_form(hass), url=address)
    assert (menu["type"], menu["step_id"]) == (FlowResultType.MENU, "certificate")
    assert menu["menu_options"] == ["trust_certificate", "other_address"]
    shown = menu["description_placeholders"]
    assert shown == {"address": proxy.url, "fingerprint": format_fingerprint(proxy.fingerprint)}
    menu = await submit_form(hass, menu, next_step_id="trust_certificate")
    assert (menu["step_id"], menu["menu_options"]) == ("method", ["sign_in", "api_key"])
    form = await submit_form(hass, menu, next_step_id="api_key")
    result = await submit_form(hass, form, api_key=KEY)
    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert result["data"] == {CONF_URL: proxy.url, CONF_API_KEY: KEY, CONF_FINGERPRINT: proxy.fingerprint}
    assert result["result"].state is ConfigEntryState.LOADED
    await remove_entries(hass)


def test_fingerprint_is_shown_as_openssl_shows_it():
    assert format_fingerprint("00abff" + "12" * 29) == "00:AB:FF" + ":12" * 29


async def test_another_address_can_be_entered_instead(hass: HomeAssistant, relay: RelayDouble, proxy: TlsProxy):
    menu = await submit_form(hass, await open_url_form(hass), url=proxy.url)
    form = await submit_form(hass, menu, next_step_id="other_address")
    assert (form["type"], form["step_id"], form["errors"]) == (FlowResultType.FORM, "own_relay", {})
    assert (await submit_form(hass, form, url=relay.url))["step_id"] == "method"


async def test_certificate_that_changes_while_it_is_looked_at_is_shown_again(hass: HomeAssistant, proxy: TlsProxy):
    menu = await submit_form(hass, await open_url_form(hass), url=proxy.url)
    proxy.replace_certificate()
    menu = await submit_form(hass, menu, next_step_id="trust_certificate")
    assert menu["step_id"] == "certificate"
    assert menu["description_placeholders"]["fingerprint"] == format_fingerprint(proxy.fingerprint)


async def test_relay_that_disappears_before_its_certificate_is_trusted_aborts(hass: HomeAssistant, proxy: TlsProxy):
    menu = await submit_form(hass, await open_url_form(hass), url=proxy.url)
    proxy.stop()
    result = await submit_form(hass, menu, next_step_id="trust_certificate")
    assert (result["type"], result["reason"]) == (FlowResultType.ABORT, "cannot_connect")


async def test_api_key_that_was_entered_is_used_after_the_certificate_is_trusted(hass: HomeAssistant, proxy: TlsProxy):
    form = await submit_form(hass, await start_user_flow(hass), next_step_id="api_key")
    menu = await submit_form(hass, form, url=proxy.url, api_key=KEY)
    assert menu["step_id"] == "certificate"
    result = await submit_form(hass, menu, next_step_id="trust_certificate")
    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert result["data"][CONF_FINGERPRINT] == proxy.fingerprint
    await remove_entries(hass)


async def test_certificate_of_the_cloud_can_not_be_trusted(
    hass: HomeAssistant, proxy: TlsProxy, monkeypatch: pytest.MonkeyPatch
):
    from custom_components.evconduit import config_flow  # noqa: PLC0415 - to patch it

    for module in (config_flow, relay_search, const):
        monkeypatch.setattr(module, "DEFAULT_URL", proxy.url)
    form = await submit_form(hass, await start_user_flow(hass), next_step_id="cloud")
    assert (form["type"], form["step_id"]) == (FlowResultType.FORM, "cloud")
    assert form["errors"] == {"base": "invalid_certificate"}


async def test_sign_in_uses_the_trusted_certificate_for_each_request(
    hass: HomeAssistant, relay: RelayDouble, proxy: TlsProxy, browser: Browser
):
    menu = await submit_form(hass, await open_url_form(hass), url=proxy.url)
    menu = await submit_form(hass, menu, next_step_id="trust_certificate")
    result = await browser.sign_in(menu)
    assert result["type"] is FlowResultType.CREATE_ENTRY
    entry = result["result"]
    assert (entry.state, entry.data[CONF_FINGERPRINT]) == (ConfigEntryState.LOADED, proxy.fingerprint)
    await wait_until(lambda: relay.streams)
    await remove_entries(hass)
    assert relay.get_requests("/oauth/revoke")


async def test_expired_token_is_refreshed_with_the_trusted_certificate(
    hass: HomeAssistant, relay: RelayDouble, trusting_oauth_entry: MockConfigEntry
):
    await hass.config_entries.async_setup(trusting_oauth_entry.entry_id)
    assert trusting_oauth_entry.state is ConfigEntryState.LOADED
    assert [request.body["grant_type"] for request in relay.get_requests("/oauth/token")] == ["refresh_token"]
    await hass.config_entries.async_unload(trusting_oauth_entry.entry_id)


@pytest.mark.parametrize(
    ("problem", "state"),
    [
        (Problem(400, body=b'{"error": "invalid_grant"}'), ConfigEntryState.SETUP_ERROR),
        (Problem(429), ConfigEntryState.SETUP_RETRY),
        (Problem(503), ConfigEntryState.SETUP_RETRY),
        (Problem(404, is_relay=False), ConfigEntryState.SETUP_RETRY),
    ],
)
async def test_refused_refresh_is_handled_as_with_any_certificate(
    hass: HomeAssistant, relay: RelayDouble, trusting_oauth_entry: MockConfigEntry, problem: Problem, state
):
    relay.problems["token"] = problem
    await hass.config_entries.async_setup(trusting_oauth_entry.entry_id)
    assert trusting_oauth_entry.state is state


async def test_changed_certificate_is_noticed_when_a_token_is_refreshed(
    hass: HomeAssistant, proxy: TlsProxy, trusting_oauth_entry: MockConfigEntry
):
    proxy.replace_certificate()
    with pytest.raises(CertificateChangedError):
        await create_client(hass, trusting_oauth_entry).get_account()


async def test_no_token_is_refreshed_while_the_relay_is_down(
    hass: HomeAssistant, proxy: TlsProxy, trusting_oauth_entry: MockConfigEntry
):
    proxy.stop()
    with pytest.raises(RelayConnectionError) as raised:
        await create_client(hass, trusting_oauth_entry).get_account()
    assert not isinstance(raised.value, CertificateChangedError)


async def test_changed_certificate_wants_new_consent(
    hass: HomeAssistant, relay: RelayDouble, proxy: TlsProxy, trusting_entry: MockConfigEntry
):
    await hass.config_entries.async_setup(trusting_entry.entry_id)
    assert trusting_entry.state is ConfigEntryState.LOADED
    proxy.replace_certificate()
    await wait_until(hass.config_entries.flow.async_progress)
    await hass.async_block_till_done()
    (flow,) = hass.config_entries.flow.async_progress()
    assert (flow["context"]["source"], flow["step_id"]) == ("reauth", "certificate_changed")
    done = await submit_form(hass, flow, next_step_id="trust_certificate")
    assert done["reason"] == "reauth_successful"
    assert trusting_entry.data == {CONF_URL: proxy.url, CONF_API_KEY: KEY, CONF_FINGERPRINT: proxy.fingerprint}
    await wait_until(lambda: trusting_entry.state is ConfigEntryState.LOADED)
    await hass.config_entries.async_unload(trusting_entry.entry_id)


async def test_certificate_that_changed_while_home_assistant_was_off_wants_new_consent(
    hass: HomeAssistant, proxy: TlsProxy, trusting_entry: MockConfigEntry
):
    proxy.replace_certificate()
    await hass.config_entries.async_setup(trusting_entry.entry_id)
    assert trusting_entry.state is ConfigEntryState.SETUP_ERROR
    await hass.async_block_till_done()
    (flow,) = hass.config_entries.flow.async_progress()
    assert flow["step_id"] == "certificate_changed"


async def test_changed_certificate_does_not_hide_a_revoked_key(
    hass: HomeAssistant, relay: RelayDouble, proxy: TlsProxy, trusting_entry: MockConfigEntry
):
    relay.keys = {}
    proxy.replace_certificate()
    flow = await trusting_entry.start_reauth_flow(hass)
    assert flow["step_id"] == "certificate_changed"
    form = await submit_form(hass, flow, next_step_id="trust_certificate")
    assert (form["type"], form["step_id"]) == (FlowResultType.FORM, "reauth_confirm")
    assert (await submit_form(hass, form))["step_id"] == "method"


async def test_relay_that_fails_after_consent_aborts(
    hass: HomeAssistant, relay: RelayDouble, proxy: TlsProxy, trusting_entry: MockConfigEntry
):
    proxy.replace_certificate()
    flow = await trusting_entry.start_reauth_flow(hass)
    relay.problems["account"] = Problem(503, "unavailable")
    result = await submit_form(hass, flow, next_step_id="trust_certificate")
    assert (result["type"], result["reason"]) == (FlowResultType.ABORT, "cannot_connect")


async def test_certificate_from_an_authority_needs_no_consent(
    hass: HomeAssistant, relay: RelayDouble, trusting_entry: MockConfigEntry
):
    """Here, a relay without TLS stands for one with a valid certificate."""
    hass.config_entries.async_update_entry(trusting_entry, data={**trusting_entry.data, CONF_URL: relay.url})
    done = await trusting_entry.start_reauth_flow(hass)
    assert (done["type"], done["reason"]) == (FlowResultType.ABORT, "reauth_successful")
    assert trusting_entry.data == {CONF_URL: relay.url, CONF_API_KEY: KEY}
    await hass.async_block_till_done()
    await hass.config_entries.async_unload(trusting_entry.entry_id)


async def test_reauth_while_the_relay_is_down_waits_for_the_user(
    hass: HomeAssistant, proxy: TlsProxy, trusting_entry: MockConfigEntry
):
    proxy.stop()
    flow = await trusting_entry.start_reauth_flow(hass)
    assert (flow["type"], flow["step_id"]) == (FlowResultType.FORM, "reauth_confirm")


async def test_reconfigure_keeps_the_trust_in_the_same_certificate(
    hass: HomeAssistant, proxy: TlsProxy, trusting_entry: MockConfigEntry
):
    menu = await submit_form(hass, await trusting_entry.start_reconfigure_flow(hass), url=proxy.url)
    assert menu["step_id"] == "method"
    done = await submit_form(hass, menu, next_step_id="keep")
    assert done["reason"] == "reconfigure_successful"
    assert trusting_entry.data[CONF_FINGERPRINT] == proxy.fingerprint
    await hass.async_block_till_done()
    await hass.config_entries.async_unload(trusting_entry.entry_id)


async def test_poll_that_meets_a_changed_certificate_wants_new_consent(
    hass: HomeAssistant, relay: RelayDouble, proxy: TlsProxy, trusting_entry: MockConfigEntry
):
    relay.account |= {"push": False}
    await hass.config_entries.async_setup(trusting_entry.entry_id)
    proxy.replace_certificate()
    await trusting_entry.runtime_data.coordinator.async_refresh()
    await wait_until(hass.config_entries.flow.async_progress)
    await hass.async_block_till_done()
    assert [flow["step_id"] for flow in hass.config_entries.flow.async_progress()] == ["certificate_changed"]
    await hass.config_entries.async_unload(trusting_entry.entry_id)


async def test_server_without_tls_has_no_fingerprint(hass: HomeAssistant, relay: RelayDouble):
    with pytest.raises(UnsupportedRelayError):
        await fetch_fingerprint(async_get_clientsession(hass), relay.url)


async def test_no_request_is_sent_to_learn_the_fingerprint(hass: HomeAssistant, relay: RelayDouble, proxy: TlsProxy):
    assert await fetch_fingerprint(async_get_clientsession(hass), proxy.url) == proxy.fingerprint
    assert relay.requests == []
