from collections.abc import Callable
from dataclasses import dataclass
from typing import override

from homeassistant.components.binary_sensor import (
    BinarySensorDeviceClass,
    BinarySensorEntity,
    BinarySensorEntityDescription,
)
from homeassistant.const import EntityCategory, Platform
from homeassistant.core import HomeAssistant
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .client import Vehicle
from .entity import VehicleEntity, VehicleEntityDescription, async_add_vehicle_entities
from .runtime import EVConduitConfigEntry

PARALLEL_UPDATES = 0  # everything is pushed


@dataclass(frozen=True, kw_only=True)
class VehicleBinarySensorDescription(VehicleEntityDescription, BinarySensorEntityDescription):
    """Something that is so, or not so, of a car."""

    value_fn: Callable[[Vehicle], bool | None]


BINARY_SENSORS: tuple[VehicleBinarySensorDescription, ...] = (
    VehicleBinarySensorDescription(
        key="plugged_in",
        device_class=BinarySensorDeviceClass.PLUG,
        offered_fn=lambda can: can.charge_state.is_offered,
        value_fn=lambda vehicle: vehicle.charge_state.is_plugged_in,
    ),
    VehicleBinarySensorDescription(
        key="charging",
        device_class=BinarySensorDeviceClass.BATTERY_CHARGING,
        offered_fn=lambda can: can.charge_state.is_offered,
        value_fn=lambda vehicle: vehicle.charge_state.is_charging,
    ),
    VehicleBinarySensorDescription(
        key="fully_charged",
        offered_fn=lambda can: can.charge_state.is_offered,
        value_fn=lambda vehicle: vehicle.charge_state.is_fully_charged,
    ),
    VehicleBinarySensorDescription(
        key="reachable",
        device_class=BinarySensorDeviceClass.CONNECTIVITY,
        entity_category=EntityCategory.DIAGNOSTIC,
        offered_fn=lambda _: True,
        value_fn=lambda vehicle: vehicle.is_reachable,
    ),
)


async def async_setup_entry(
    _hass: HomeAssistant, entry: EVConduitConfigEntry, async_add_entities: AddConfigEntryEntitiesCallback
) -> None:
    """Add the binary sensors of all cars."""
    async_add_vehicle_entities(entry, async_add_entities, Platform.BINARY_SENSOR, BINARY_SENSORS, VehicleBinarySensor)


class VehicleBinarySensor(VehicleEntity, BinarySensorEntity):
    """Something that is so, or not so, of a car."""

    entity_description: VehicleBinarySensorDescription

    @property
    @override
    def is_on(self) -> bool | None:
        return self.entity_description.value_fn(self.vehicle)
