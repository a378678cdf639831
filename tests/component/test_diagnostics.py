import json

import pytest
from cars import LAST_SESSION
from helpers import SetupEntry, wait_until
from homeassistant.components.diagnostics import REDACTED, async_redact_data
from homeassistant.core import HomeAssistant
from homeassistant.setup import async_setup_component
from pytest_homeassistant_custom_component.common import MockConfigEntry
from pytest_homeassistant_custom_component.components.diagnostics import get_diagnostics_for_config_entry
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
        *(
            "api_key",
            "former_ids",
            "installation",
            "webhook_secret",
            "token",
            "webhook_id",
            "displayName",
            "id",
            "latitude",
        ),
        *("longitude", "pluggedInChargerId", "title", "userId", "vehicle_id", "vin"),
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
