"""When the registration of the webhook is checked again, and which addresses are registered."""

from datetime import timedelta
from typing import Any

import pytest
from freezegun.api import FrozenDateTimeFactory
from helpers import MINUTE, SetupEntry, advance_time, wait_until
from homeassistant.const import CONF_WEBHOOK_ID
from homeassistant.core import HomeAssistant
from relay_double import SECRET, Problem, RelayDouble, make_account

from custom_components.evconduit.webhook_registration import CONF_SECRET

pytestmark = pytest.mark.usefixtures("webhook_supported")


def get_methods(relay: RelayDouble) -> list[str]:
    return [request.method for request in relay.get_requests("/endpoint")]


async def test_registration_is_checked_every_12_hours(
    hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry, freezer: FrozenDateTimeFactory
):
    entry = await setup_entry()
    await wait_until(lambda: entry.runtime_data.webhook.get_diagnostics()["registered_via"])
    relay.problems["stream"] = Problem(502, is_relay=False)  # its next connection would check as well
    await advance_time(hass, freezer, timedelta(hours=12) - MINUTE)
    assert get_methods(relay) == ["PUT"]
    relay.endpoint = None
    await advance_time(hass, freezer, 2 * MINUTE)
    await wait_until(lambda: relay.endpoint)
    assert get_methods(relay) == ["PUT", "GET", "PUT"]


@pytest.mark.parametrize(
    ("problem", "wait"),
    [
        (Problem(503, "unavailable"), 5 * MINUTE),
        (Problem(422, "endpoint-refused"), timedelta(hours=12)),
        (Problem(403, "plan-required"), timedelta(hours=12)),
    ],
)
async def test_failed_registration_is_retried(
    hass: HomeAssistant,
    relay: RelayDouble,
    setup_entry: SetupEntry,
    *,
    freezer: FrozenDateTimeFactory,
    problem: Problem,
    wait: timedelta,
):
    with relay.failing("endpoint", with_=problem):
        entry = await setup_entry()
        await wait_until(lambda: entry.runtime_data.webhook.get_diagnostics()["failure"])
    relay.problems["stream"] = Problem(502, is_relay=False)
    await advance_time(hass, freezer, wait - timedelta(seconds=30))
    assert get_methods(relay) == ["PUT"]
    await advance_time(hass, freezer, timedelta(seconds=60))
    await wait_until(lambda: relay.endpoint)


@pytest.mark.parametrize(
    ("external_url", "internal_url", "registered"),
    [
        ("https://home.example.com", None, "https://home.example.com"),
        ("https://home.example.com:8443", None, "https://home.example.com:8443"),
        ("http://203.0.113.5:8123", None, "http://203.0.113.5:8123"),
        ("https://home.example.com", "http://192.168.1.5:8123", "https://home.example.com"),
        (None, "http://192.168.1.5:8123", None),
    ],
)
async def test_only_an_external_url_is_registered(
    hass: HomeAssistant,
    relay: RelayDouble,
    setup_entry: SetupEntry,
    *,
    external_url: str | None,
    internal_url: str | None,
    registered: str | None,
):
    await hass.config.async_update(external_url=external_url, internal_url=internal_url)
    entry = await setup_entry()
    await wait_until(lambda: entry.data.get(CONF_WEBHOOK_ID))
    if registered:
        await wait_until(lambda: relay.endpoint)
        assert relay.endpoint["url"] == f"{registered}/api/webhook/{entry.data[CONF_WEBHOOK_ID]}"
    else:
        await entry.runtime_data.client.get_account()
        assert get_methods(relay) == []


async def test_endpoint_that_the_relay_lost_is_forgotten_without_external_url(
    hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry
):
    entry = await setup_entry()
    await wait_until(lambda: entry.data.get(CONF_SECRET))
    relay.endpoint = None
    await hass.config.async_update(external_url=None)
    await wait_until(lambda: CONF_SECRET not in entry.data)
    await wait_until(lambda: get_methods(relay)[-1] == "DELETE")
    diagnostics = entry.runtime_data.webhook.get_diagnostics()
    assert (diagnostics["registered_via"], diagnostics["failure"]) == (None, None)


async def test_state_that_was_added_later_counts_as_on(relay: RelayDouble, setup_entry: SetupEntry):
    entry = await setup_entry()
    await wait_until(lambda: entry.runtime_data.webhook.get_diagnostics()["registered_via"])
    relay.endpoint |= {"state": "paused"}
    relay.break_streams()
    await wait_until(lambda: len(get_methods(relay)) == 2)
    await entry.runtime_data.client.get_account()
    assert get_methods(relay) == ["PUT", "GET"]


@pytest.mark.parametrize(
    ("relay_account", "is_offered"),
    [(make_account(relay={"features": ["webhook"]}), True), (make_account(relay={"features": []}), False)],
)
async def test_diagnostics_before_the_first_delivery(
    relay: RelayDouble, setup_entry: SetupEntry, *, relay_account: dict[str, Any], is_offered: bool
):
    relay.account = relay_account
    entry = await setup_entry()
    if is_offered:
        await wait_until(lambda: entry.data.get(CONF_SECRET) == SECRET)
        await wait_until(lambda: entry.runtime_data.webhook.get_diagnostics()["registered_via"])
    assert entry.runtime_data.webhook.get_diagnostics() == {
        "offered": is_offered,
        "registered_via": "external_url" if is_offered else None,
        "failure": None,
        "taken": 0,
        "refused": 0,
        "last_at": None,
    }
