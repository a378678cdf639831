from dataclasses import dataclass
from typing import override

from homeassistant.components.device_tracker import TrackerEntity, TrackerEntityDescription
from homeassistant.const import Platform
from homeassistant.core import HomeAssistant
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .entity import VehicleEntity, VehicleEntityDescription, async_add_vehicle_entities
from .runtime import EVConduitConfigEntry

PARALLEL_UPDATES = 0  # the coordinator updates the entities


@dataclass(frozen=True, kw_only=True)
class VehicleTrackerDescription(VehicleEntityDescription, TrackerEntityDescription):
    """Describes a device tracker."""


TRACKERS: tuple[VehicleTrackerDescription, ...] = (
    VehicleTrackerDescription(key="location", supported_fn=lambda capabilities: capabilities.location.is_supported),
)


async def async_setup_entry(
    _hass: HomeAssistant, entry: EVConduitConfigEntry, async_add_entities: AddConfigEntryEntitiesCallback
) -> None:
    """Set up the device trackers of all vehicles."""
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
