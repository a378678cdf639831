import json

import pytest
from cars import LAST_SESSION
from helpers import SetupEntry, wait_until
from homeassistant.components.diagnostics import REDACTED, async_redact_data
from homeassistant.config_entries import ConfigEntryState
from homeassistant.core import HomeAssistant
from homeassistant.helpers import device_registry as dr
from homeassistant.setup import async_setup_component
from pytest_homeassistant_custom_component.common import MockConfigEntry
from pytest_homeassistant_custom_component.components.diagnostics import (
    get_diagnostics_for_config_entry,
    get_diagnostics_for_device,
)
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator
from relay_double import ACCOUNT_ID, HYUNDAI, KEY, RENAULT, TESLA, RelayDouble, make_account, make_command, make_record
from syrupy.assertion import SnapshotAssertion

from custom_components.evconduit.diagnostics import TO_REDACT

PERSONAL = [
    *(ACCOUNT_ID, KEY, TESLA, HYUNDAI, RENAULT, "Blue car", "Home garage"),
    *("5YJ3E7EB1KF111111", "VF1AG000222222222", "52.0907", "5.1214", "7d0c9be4", "c0000000", "b1f0c2d4"),
    "f1f0c2d4",
]


async def test_diagnostics_contain_no_personal_data(
    hass: HomeAssistant,
    relay: RelayDouble,
    setup_entry: SetupEntry,
    hass_client: ClientSessionGenerator,
    snapshot: SnapshotAssertion,
):
    relay.records[TESLA] = make_record(
        TESLA,
        command=make_command(),
        former_ids=["f1f0c2d4-0000-4000-8000-000000000001"],
        corrections=["chargeState.isCharging"],
        charging_sessions={"current": None, "last": LAST_SESSION},
    )
    entry = await setup_entry()
    relay.send("account", make_account())
    await wait_until(lambda: entry.runtime_data.stream.received["Account"])
    assert await async_setup_component(hass, "diagnostics", {})
    diagnostics = await get_diagnostics_for_config_entry(hass, hass_client, entry)
    text = json.dumps(diagnostics)
    assert [value for value in PERSONAL if value in text] == []
    del diagnostics["entry"]["url"]  # has a random port
    del diagnostics["channel"]["heard_at"]  # the current time
    assert diagnostics == snapshot


@pytest.mark.parametrize(
    "key",
    [
        *("api_key", "former_ids", "installation", "webhook_secret", "token", "webhook_id", "displayName", "id"),
        *("latitude", "longitude", "pluggedInChargerId", "title", "userId", "vehicle_id", "vin", "instance_id"),
        *("relay_instance_id", "excluded_vehicles"),
    ],
)
def test_each_personal_value_is_redacted(key: str):
    """These are credentials, or identify a person, a vehicle or a place."""
    assert async_redact_data({"a": [{key: "value", "batteryLevel": 57}]}, TO_REDACT) == {
        "a": [{key: REDACTED, "batteryLevel": 57}]
    }


async def test_diagnostics_during_an_outage(
    hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry, hass_client: ClientSessionGenerator
):
    relay.account = make_account(push=False, next_poll_at=None)
    entry = await setup_entry()
    await relay.close()
    await entry.runtime_data.coordinator.async_refresh()
    assert await async_setup_component(hass, "diagnostics", {})
    channel = (await get_diagnostics_for_config_entry(hass, hass_client, entry))["channel"]
    assert channel["streaming"] is False
    assert channel["polls_every_seconds"] == 3600
    assert channel["last_poll_error"] == "UpdateFailed"


async def test_diagnostics_contain_no_token(
    hass: HomeAssistant, relay: RelayDouble, oauth_entry: MockConfigEntry, hass_client: ClientSessionGenerator
):
    await hass.config_entries.async_setup(oauth_entry.entry_id)
    assert await async_setup_component(hass, "diagnostics", {})
    diagnostics = await get_diagnostics_for_config_entry(hass, hass_client, oauth_entry)
    assert diagnostics["entry"]["auth_implementation"] == "evconduit"
    text = json.dumps(diagnostics)
    assert [value for value in ("eva_", "evr_", "home-1", ACCOUNT_ID) if value in text] == []
    await hass.config_entries.async_unload(oauth_entry.entry_id)


@pytest.mark.parametrize("is_loaded", [True, False])
async def test_diagnostics_of_a_device_contain_its_car_even_if_the_entry_is_not_loaded(
    hass: HomeAssistant,
    setup_entry: SetupEntry,
    hass_client: ClientSessionGenerator,
    *,
    device_registry: dr.DeviceRegistry,
    is_loaded: bool,
):
    entry = await setup_entry()
    devices = dr.async_entries_for_config_entry(device_registry, entry.entry_id)
    by_id = {id_: device for device in devices for _, id_ in device.identifiers}
    assert await async_setup_component(hass, "diagnostics", {})
    if not is_loaded:
        await hass.config_entries.async_unload(entry.entry_id)
    car = await get_diagnostics_for_device(hass, hass_client, entry, by_id[TESLA])
    assert car["state"] == ("loaded" if is_loaded else "not_loaded")
    assert car["vehicle"]["vehicle"]["chargeState"]["batteryLevel"] == 57
    account = await get_diagnostics_for_device(hass, hass_client, entry, by_id[ACCOUNT_ID])
    assert account["vehicle"] is None
    text = json.dumps([car, account])
    assert [value for value in PERSONAL if value in text] == []


async def test_diagnostics_of_an_entry_that_is_not_loaded_contain_what_is_stored(
    hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry, hass_client: ClientSessionGenerator
):
    entry = await setup_entry()
    assert await async_setup_component(hass, "diagnostics", {})
    await hass.config_entries.async_unload(entry.entry_id)
    diagnostics = await get_diagnostics_for_config_entry(hass, hass_client, entry)
    assert diagnostics["state"] == ConfigEntryState.NOT_LOADED.value
    assert len(diagnostics["stored"]["vehicles"]) == 3
    text = json.dumps(diagnostics)
    assert [value for value in PERSONAL if value in text] == []
