from collections.abc import Iterator
from unittest.mock import patch

import pytest
from helpers import SetupEntry
from homeassistant.const import Platform
from homeassistant.core import HomeAssistant
from homeassistant.helpers import device_registry as dr
from homeassistant.helpers import entity_registry as er
from pytest_homeassistant_custom_component.common import snapshot_platform
from relay_double import TESLA, RelayDouble, make_record
from syrupy.assertion import SnapshotAssertion

from custom_components import evconduit


@pytest.fixture(params=evconduit.PLATFORMS)
def platform(request: pytest.FixtureRequest) -> Iterator[Platform]:
    with patch.object(evconduit, "PLATFORMS", [request.param]):
        yield request.param


@pytest.mark.usefixtures("platform")
async def test_entities(
    hass: HomeAssistant,
    relay: RelayDouble,
    setup_entry: SetupEntry,
    entity_registry: er.EntityRegistry,
    snapshot: SnapshotAssertion,
):
    """A Tesla with all capabilities, a Hyundai without data, and a Renault that only reports."""
    features = ["charging", "stream", "refresh", "cancel", "max_current", "sessions", "smart_charging"]
    relay.account["relay"]["features"] = features
    capable = {"isCapable": True, "interventionIds": []}
    capabilities = {"setMaxCurrent": capable, "smartCharging": capable}
    relay.records[TESLA] = make_record(TESLA, vehicle={"capabilities": capabilities})
    entry = await setup_entry()
    await snapshot_platform(hass, entity_registry, snapshot, entry.entry_id)


async def test_devices(
    hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry, device_registry: dr.DeviceRegistry, snapshot
):
    entry = await setup_entry()
    devices = [
        {
            "name": device.name,
            "manufacturer": device.manufacturer,
            "model": device.model,
            "identifiers": device.identifiers,
        }
        | {"entry_type": device.entry_type, "sw_version": device.sw_version, "serial_number": device.serial_number}
        for device in dr.async_entries_for_config_entry(device_registry, entry.entry_id)
    ]
    assert sorted(devices, key=str) == snapshot
