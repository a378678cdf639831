from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import override

from homeassistant.config_entries import ConfigEntryState
from homeassistant.const import Platform
from homeassistant.core import callback
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers import entity_registry as er
from homeassistant.helpers.device_registry import DeviceInfo
from homeassistant.helpers.entity import Entity, EntityDescription
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback
from homeassistant.helpers.update_coordinator import CoordinatorEntity

from .client import Capabilities, DataKind, Vehicle
from .const import DOMAIN
from .runtime import EVConduitConfigEntry
from .vehicle_coordinator import DataScope, VehicleCoordinator


@dataclass(frozen=True, kw_only=True)
class VehicleEntityDescription(EntityDescription):
    """Describes an entity of a vehicle. `supported_fn` returns whether a vehicle with these capabilities has it.

    `feature`: the relay's feature that it needs, if any. `data_kind`: data that the relay must have, if any. `scope`:
    what its data is about, which decides when it is unavailable.
    """

    supported_fn: Callable[[Capabilities], bool]
    feature: str | None = None
    data_kind: DataKind | None = None
    scope: DataScope = DataScope.LIVE


class VehicleEntity(CoordinatorEntity[VehicleCoordinator]):
    """Base of all entities of a vehicle."""

    _attr_has_entity_name = True
    entity_description: VehicleEntityDescription

    def __init__(self, coordinator: VehicleCoordinator, description: VehicleEntityDescription) -> None:
        super().__init__(coordinator)
        self.entity_description = description
        self._attr_translation_key = description.key
        self._attr_unique_id = create_unique_id(coordinator, description)
        # The account coordinator registers and renames the device.
        self._attr_device_info = DeviceInfo(identifiers={(DOMAIN, coordinator.data.id)})

    @property
    @override
    def available(self) -> bool:
        return super().available and self.coordinator.is_available(self.entity_description.scope)

    @contextmanager
    def writing_state_after_error(self) -> Iterator[None]:
        """Report the unchanged state as a change if the block raises a HomeAssistantError.

        The frontend shows the requested state until it receives one, and an unchanged state isn't sent to it.
        """
        try:
            yield
        except HomeAssistantError:
            self._attr_force_update = True
            self.async_write_ha_state()
            self._attr_force_update = False
            raise

    @property
    def vehicle(self) -> Vehicle:
        """The last state that Enode reported."""
        return self.coordinator.data.vehicle


def create_unique_id(coordinator: VehicleCoordinator, description: EntityDescription) -> str:
    """Return the unique id. Its format must never change: it is stored in entity registries."""
    return f"{coordinator.data.id}_{description.key}"


@callback
def async_add_vehicle_entities[DescriptionT: VehicleEntityDescription](
    entry: EVConduitConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
    platform: Platform,
    descriptions: tuple[DescriptionT, ...],
    create_entity: Callable[[VehicleCoordinator, DescriptionT], Entity],
) -> None:
    """Add entities now, and again when a vehicle is added or gains a capability or data, or the relay gains a feature.

    Losing a capability removes no entity: one that is in the entity registry is created again after a restart.
    """
    coordinator = entry.runtime_data.coordinator
    registry = er.async_get(coordinator.hass)
    added: set[tuple[str, str]] = set()

    @callback
    def is_supported(vehicle: VehicleCoordinator, description: DescriptionT) -> bool:
        if description.feature is not None and description.feature not in coordinator.data.features:
            return False
        record, data_kind = vehicle.data, description.data_kind
        has_data = data_kind is None or data_kind in record.data_kinds
        return (has_data and description.supported_fn(record.vehicle.capabilities)) or bool(
            registry.async_get_entity_id(platform, DOMAIN, create_unique_id(vehicle, description))
        )

    @callback
    def add_missing() -> None:
        if entry.state is ConfigEntryState.UNLOAD_IN_PROGRESS:
            return  # nothing would remove them; they are added when the entry is loaded again
        added.intersection_update([key for key in added if key[0] in coordinator.vehicles])
        missing = [
            (vehicle, description)
            for vehicle in coordinator.vehicles.values()
            for description in descriptions
            if (vehicle.data.id, description.key) not in added and is_supported(vehicle, description)
        ]
        added.update((vehicle.data.id, description.key) for vehicle, description in missing)
        if missing:
            async_add_entities([create_entity(vehicle, description) for vehicle, description in missing])

    entry.async_on_unload(coordinator.async_add_listener(add_missing))
    add_missing()
