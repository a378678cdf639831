from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import override

from homeassistant.components.sensor import (
    SensorDeviceClass,
    SensorEntity,
    SensorEntityDescription,
    SensorStateClass,
)
from homeassistant.const import (
    PERCENTAGE,
    EntityCategory,
    Platform,
    UnitOfEnergy,
    UnitOfLength,
    UnitOfPower,
    UnitOfTime,
)
from homeassistant.core import HomeAssistant
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .client import PowerDeliveryState, Vehicle
from .entity import VehicleEntity, VehicleEntityDescription, async_add_vehicle_entities
from .runtime import EVConduitConfigEntry

PARALLEL_UPDATES = 0  # the coordinator updates the entities


@dataclass(frozen=True, kw_only=True)
class VehicleSensorDescription(VehicleEntityDescription, SensorEntityDescription):
    """Describes a sensor."""

    value_fn: Callable[[Vehicle], float | str | datetime | None]


def _charging_state(vehicle: Vehicle) -> str | None:
    state = vehicle.charge_state.power_delivery_state
    return None if state is None else state.name.lower()


def _charge_power(vehicle: Vehicle) -> float | None:
    """Return the power, 0 if the car is known not to charge: Enode's rate is null then."""
    return 0 if vehicle.charge_state.is_charging is False else vehicle.charge_state.charge_rate


SENSORS: tuple[VehicleSensorDescription, ...] = (
    VehicleSensorDescription(
        key="battery_level",
        device_class=SensorDeviceClass.BATTERY,
        state_class=SensorStateClass.MEASUREMENT,
        native_unit_of_measurement=PERCENTAGE,
        supported_fn=lambda capabilities: capabilities.charge_state.is_supported,
        value_fn=lambda vehicle: vehicle.charge_state.battery_level,
    ),
    VehicleSensorDescription(
        key="range",
        device_class=SensorDeviceClass.DISTANCE,
        state_class=SensorStateClass.MEASUREMENT,
        native_unit_of_measurement=UnitOfLength.KILOMETERS,
        suggested_display_precision=0,
        supported_fn=lambda capabilities: capabilities.charge_state.is_supported,
        value_fn=lambda vehicle: vehicle.charge_state.range,
    ),
    VehicleSensorDescription(
        key="charging_state",
        device_class=SensorDeviceClass.ENUM,
        options=[state.name.lower() for state in PowerDeliveryState],
        supported_fn=lambda capabilities: capabilities.charge_state.is_supported,
        value_fn=_charging_state,
    ),
    VehicleSensorDescription(
        key="charge_power",
        device_class=SensorDeviceClass.POWER,
        state_class=SensorStateClass.MEASUREMENT,
        native_unit_of_measurement=UnitOfPower.KILO_WATT,
        suggested_display_precision=1,
        supported_fn=lambda capabilities: capabilities.charge_state.is_supported,
        value_fn=_charge_power,
    ),
    VehicleSensorDescription(
        key="charge_time_remaining",
        device_class=SensorDeviceClass.DURATION,
        state_class=SensorStateClass.MEASUREMENT,
        native_unit_of_measurement=UnitOfTime.MINUTES,
        suggested_display_precision=0,
        supported_fn=lambda capabilities: capabilities.charge_state.is_supported,
        value_fn=lambda vehicle: vehicle.charge_state.charge_time_remaining,
    ),
    VehicleSensorDescription(
        key="charge_limit",  # no device class: many cards would show a second "battery" in place of the battery level
        native_unit_of_measurement=PERCENTAGE,
        supported_fn=lambda capabilities: capabilities.charge_state.is_supported,
        value_fn=lambda vehicle: vehicle.charge_state.charge_limit,
    ),
    VehicleSensorDescription(
        key="battery_capacity",
        device_class=SensorDeviceClass.ENERGY_STORAGE,
        native_unit_of_measurement=UnitOfEnergy.KILO_WATT_HOUR,
        suggested_display_precision=1,
        entity_category=EntityCategory.DIAGNOSTIC,
        supported_fn=lambda capabilities: capabilities.charge_state.is_supported,
        value_fn=lambda vehicle: vehicle.charge_state.battery_capacity,
    ),
    VehicleSensorDescription(
        key="odometer",
        device_class=SensorDeviceClass.DISTANCE,
        state_class=SensorStateClass.TOTAL_INCREASING,
        native_unit_of_measurement=UnitOfLength.KILOMETERS,
        suggested_display_precision=0,
        supported_fn=lambda capabilities: capabilities.odometer.is_supported,
        value_fn=lambda vehicle: vehicle.odometer,
    ),
    VehicleSensorDescription(
        key="last_seen",
        device_class=SensorDeviceClass.TIMESTAMP,
        entity_category=EntityCategory.DIAGNOSTIC,
        supported_fn=lambda _: True,
        value_fn=lambda vehicle: vehicle.last_seen,
    ),
)


async def async_setup_entry(
    _hass: HomeAssistant, entry: EVConduitConfigEntry, async_add_entities: AddConfigEntryEntitiesCallback
) -> None:
    """Set up the sensors of all vehicles."""
    async_add_vehicle_entities(entry, async_add_entities, Platform.SENSOR, SENSORS, VehicleSensor)


class VehicleSensor(VehicleEntity, SensorEntity):
    """A sensor of a vehicle."""

    entity_description: VehicleSensorDescription

    @property
    @override
    def native_value(self) -> float | str | datetime | None:
        return self.entity_description.value_fn(self.vehicle)
