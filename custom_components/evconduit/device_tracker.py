from dataclasses import dataclass
from typing import override

from homeassistant.components.device_tracker import TrackerEntity, TrackerEntityDescription
from homeassistant.const import Platform
from homeassistant.core import HomeAssistant
from homeassistant.helpers import entity_registry as er
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .entity import VehicleEntity, VehicleEntityDescription, async_add_vehicle_entities
from .options import Options
from .runtime import EVConduitConfigEntry

PARALLEL_UPDATES = 0  # the coordinator updates the entities


@dataclass(frozen=True, kw_only=True)
class VehicleTrackerDescription(VehicleEntityDescription, TrackerEntityDescription):
    """Describes a device tracker."""


TRACKERS: tuple[VehicleTrackerDescription, ...] = (
    VehicleTrackerDescription(key="location", supported_fn=lambda capabilities: capabilities.location.is_supported),
)


async def async_setup_entry(
    hass: HomeAssistant, entry: EVConduitConfigEntry, async_add_entities: AddConfigEntryEntitiesCallback
) -> None:
    """Set up the device trackers of all vehicles, or remove them if the user doesn't want to expose locations."""
    if not Options.parse(entry.options).expose_location:
        registry = er.async_get(hass)
        for entity in er.async_entries_for_config_entry(registry, entry.entry_id):
            if entity.domain == Platform.DEVICE_TRACKER:
                registry.async_remove(entity.entity_id)
        return
    async_add_vehicle_entities(entry, async_add_entities, Platform.DEVICE_TRACKER, TRACKERS, VehicleTracker)


class VehicleTracker(VehicleEntity, TrackerEntity):
    """The position of a vehicle."""

    entity_description: VehicleTrackerDescription

    @property
    @override
    def latitude(self) -> float | None:
        return self.vehicle.location.latitude

    @property
    @override
    def longitude(self) -> float | None:
        return self.vehicle.location.longitude
