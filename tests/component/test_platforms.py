from collections.abc import Iterator
from unittest.mock import patch

import pytest
from cars import CARS, COST, CURRENT_SESSION, ENERGY, LAST_SESSION
from freezegun.api import FrozenDateTimeFactory
from helpers import SetupEntry
from homeassistant.const import Platform
from homeassistant.core import HomeAssistant
from homeassistant.helpers import device_registry as dr
from homeassistant.helpers import entity_registry as er
from homeassistant.helpers.entity import Entity
from pytest_homeassistant_custom_component.common import snapshot_platform
from relay_double import TESLA, RelayDouble, make_record
from syrupy.assertion import SnapshotAssertion

from custom_components import evconduit

FEATURES = ["charging", "stream", "refresh"]
ALLOWANCE = {"limit": 2500, "used": 410, "resets_at": "2026-12-14T00:00:00.000Z", "call_tokens": 20}


@pytest.fixture(params=evconduit.PLATFORMS)
def platform(request: pytest.FixtureRequest) -> Iterator[Platform]:
    with patch.object(evconduit, "PLATFORMS", [request.param]):
        yield request.param


@pytest.fixture
def all_entities_enabled() -> Iterator[None]:
    with patch.object(Entity, "entity_registry_enabled_default", new=True):
        yield


@pytest.fixture(autouse=True)
def account_with_limit(relay: RelayDouble) -> None:
    relay.account["relay"]["features"] = FEATURES
    relay.account["allowance"] = ALLOWANCE


@pytest.mark.usefixtures("platform", "all_entities_enabled")
async def test_entities(
    hass: HomeAssistant,
    relay: RelayDouble,
    setup_entry: SetupEntry,
    *,
    entity_registry: er.EntityRegistry,
    snapshot: SnapshotAssertion,
    freezer: FrozenDateTimeFactory,
):
    """A Tesla with everything, a Hyundai without data, a Renault that only reports, and the account."""
    freezer.move_to("2026-11-20T18:05:00Z")
    features = ["charging", "stream", "refresh", "cancel", "max_current", "sessions", "smart_charging"]
    relay.account["relay"]["features"] = features
    capable = {"isCapable": True, "interventionIds": []}
    relay.records[TESLA] = make_record(
        TESLA,
        vehicle={"capabilities": {"setMaxCurrent": capable, "smartCharging": capable}},
        energy=ENERGY | {"discharged_kwh": 41.75, "cost": COST},
        charging_sessions={"current": CURRENT_SESSION, "last": LAST_SESSION},
    )
    entry = await setup_entry()
    await snapshot_platform(hass, entity_registry, snapshot, entry.entry_id)


@pytest.mark.usefixtures("platform", "all_entities_enabled")
async def test_states_of_many_cars(
    hass: HomeAssistant,
    relay: RelayDouble,
    setup_entry: SetupEntry,
    snapshot: SnapshotAssertion,
    freezer: FrozenDateTimeFactory,
):
    """The states of all cars in cars.py. Each car has only the entities of what it can report or do."""
    freezer.move_to("2026-11-20T18:05:00Z")
    relay.records = {record["id"]: record for record in (car.make_record(n) for n, car in enumerate(CARS, 1))}
    await setup_entry()
    states = {state.entity_id: state.state for state in hass.states.async_all()}
    assert dict(sorted(states.items())) == snapshot


@pytest.mark.usefixtures("all_entities_enabled")
async def test_devices(
    hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry, device_registry: dr.DeviceRegistry, snapshot
):
    entry = await setup_entry()
    devices = [
        {
            "name": device.name,
            "manufacturer": device.manufacturer,
            "model": device.model,
            "model_id": device.model_id,
            "identifiers": device.identifiers,
        }
        | {"entry_type": device.entry_type, "sw_version": device.sw_version, "serial_number": device.serial_number}
        for device in dr.async_entries_for_config_entry(device_registry, entry.entry_id)
    ]
    assert sorted(devices, key=str) == snapshot
