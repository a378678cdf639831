from dataclasses import dataclass
from typing import override

from homeassistant.components.device_tracker import TrackerEntity, TrackerEntityDescription
from homeassistant.const import Platform
from homeassistant.core import HomeAssistant
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .entity import VehicleEntity, VehicleEntityDescription, async_add_vehicle_entities
from .runtime import EVConduitConfigEntry

PARALLEL_UPDATES = 0  # everything is pushed


@dataclass(frozen=True, kw_only=True)
class VehicleTrackerDescription(VehicleEntityDescription, TrackerEntityDescription):
    """Where a car is."""


TRACKERS: tuple[VehicleTrackerDescription, ...] = (
    VehicleTrackerDescription(key="location", offered_fn=lambda can: can.location.is_offered),
)


async def async_setup_entry(
    _hass: HomeAssistant, entry: EVConduitConfigEntry, async_add_entities: AddConfigEntryEntitiesCallback
) -> None:
    """Add the trackers of all cars."""
    async_add_vehicle_entities(entry, async_add_entities, Platform.DEVICE_TRACKER, TRACKERS, VehicleTracker)


class VehicleTracker(VehicleEntity, TrackerEntity):
    """Where a car is."""

    entity_description: VehicleTrackerDescription

    @property
    @override
    def latitude(self) -> float | None:
        return self.vehicle.location.latitude

    @property
    @override
    def longitude(self) -> float | None:
        return self.vehicle.location.longitude
