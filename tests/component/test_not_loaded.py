"""What Home Assistant can do with an entry that isn't loaded: diagnostics, and removal of devices."""

from typing import Any

import pytest
from helpers import SetupEntry
from homeassistant.config_entries import ConfigEntryState
from homeassistant.core import HomeAssistant
from homeassistant.helpers import device_registry as dr
from homeassistant.setup import async_setup_component
from pytest_homeassistant_custom_component.components.diagnostics import get_diagnostics_for_config_entry
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator, WebSocketGenerator
from relay_double import ACCOUNT_ID, KEY, TESLA, Problem, RelayDouble

from custom_components.evconduit.const import DOMAIN

STATES = {
    "retry": (Problem(503, "unavailable"), ConfigEntryState.SETUP_RETRY),
    "error": (Problem(401, "unauthorized"), ConfigEntryState.SETUP_ERROR),
}


@pytest.mark.parametrize("case", STATES)
async def test_diagnostics_say_why_the_entry_is_not_loaded(
    hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry, *, hass_client: ClientSessionGenerator, case: str
):
    problem, state = STATES[case]
    with relay.failing("account", with_=problem):
        entry = await setup_entry()
    assert entry.state is state
    assert await async_setup_component(hass, "diagnostics", {})
    diagnostics: Any = await get_diagnostics_for_config_entry(hass, hass_client, entry)
    assert diagnostics["state"] == state.value
    assert diagnostics["version"] == 2
    assert diagnostics["entry"]["url"] == relay.url
    assert KEY not in str(diagnostics)


@pytest.mark.parametrize(("identifier", "is_removed"), [("gone", True), (TESLA, False), (ACCOUNT_ID, False)])
@pytest.mark.parametrize("has_store", [True, False])
async def test_device_that_storage_does_not_have_can_be_removed(
    hass: HomeAssistant, setup_entry: SetupEntry, *, hass_storage, hass_ws_client: WebSocketGenerator,
    device_registry: dr.DeviceRegistry, identifier: str, is_removed: bool, has_store: bool,
):  # fmt: skip
    entry = await setup_entry()
    assert await async_setup_component(hass, "config", {})
    await hass.config_entries.async_unload(entry.entry_id)
    if not has_store:
        del hass_storage[f"{DOMAIN}.{entry.entry_id}"]
    device = device_registry.async_get_or_create(config_entry_id=entry.entry_id, identifiers={(DOMAIN, identifier)})
    client = await hass_ws_client(hass)
    response = await client.remove_device(device.id)
    assert response["success"] is (is_removed and has_store)
