from collections.abc import Callable
from dataclasses import dataclass
from typing import override

from homeassistant.const import Platform
from homeassistant.core import callback
from homeassistant.helpers import entity_registry as er
from homeassistant.helpers.device_registry import DeviceInfo
from homeassistant.helpers.entity import Entity, EntityDescription
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback
from homeassistant.helpers.update_coordinator import CoordinatorEntity

from .client import Capabilities, Vehicle
from .const import DOMAIN
from .runtime import EVConduitConfigEntry
from .vehicle_coordinator import VehicleCoordinator


@dataclass(frozen=True, kw_only=True)
class VehicleEntityDescription(EntityDescription):
    """Something of a car. `offered_fn`: whether cars with such capabilities have it."""

    offered_fn: Callable[[Capabilities], bool]


class VehicleEntity(CoordinatorEntity[VehicleCoordinator]):
    """Something of a car: named after its key, known by the car's id and its key for ever."""

    _attr_has_entity_name = True

    def __init__(self, coordinator: VehicleCoordinator, description: VehicleEntityDescription) -> None:
        super().__init__(coordinator)
        self.entity_description = description
        self._attr_translation_key = description.key
        self._attr_unique_id = unique_id(coordinator, description)
        # The coordinator registers and renames the device; an entity only says which one is its own.
        self._attr_device_info = DeviceInfo(identifiers={(DOMAIN, coordinator.data.id)})

    @property
    @override
    def available(self) -> bool:
        return super().available and self.coordinator.available

    @property
    def vehicle(self) -> Vehicle:
        """The car as Enode last described it."""
        return self.coordinator.data.vehicle


def unique_id(coordinator: VehicleCoordinator, description: EntityDescription) -> str:
    """Frozen at the first release."""
    return f"{coordinator.data.id}_{description.key}"


@callback
def async_add_vehicle_entities[DescriptionT: VehicleEntityDescription](
    entry: EVConduitConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
    platform: Platform,
    descriptions: tuple[DescriptionT, ...],
    make: Callable[[VehicleCoordinator, DescriptionT], Entity],
) -> None:
    """Add what the cars have, now and whenever there is a new car or one that learned something.

    A capability that is lost removes nothing: what was registered once is made again after a restart.
    """
    account = entry.runtime_data.coordinator
    registry = er.async_get(account.hass)
    present: set[tuple[str, str]] = set()

    @callback
    def is_wanted(vehicle: VehicleCoordinator, description: DescriptionT) -> bool:
        return description.offered_fn(vehicle.data.vehicle.capabilities) or bool(
            registry.async_get_entity_id(platform, DOMAIN, unique_id(vehicle, description))
        )

    @callback
    def add_missing() -> None:
        present.intersection_update([it for it in present if it[0] in account.vehicles])
        missing = [
            (vehicle, description)
            for vehicle in account.vehicles.values()
            for description in descriptions
            if (vehicle.data.id, description.key) not in present and is_wanted(vehicle, description)
        ]
        present.update((vehicle.data.id, description.key) for vehicle, description in missing)
        if missing:
            async_add_entities([make(vehicle, description) for vehicle, description in missing])

    entry.async_on_unload(account.async_add_listener(add_missing))
    add_missing()
