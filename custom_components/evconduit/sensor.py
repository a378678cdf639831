from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, override

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
from .vehicle_coordinator import VehicleCoordinator

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
        suggested_display_precision=0,
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
        suggested_display_precision=0,
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
LAST_SEEN_INTERVAL: Final = timedelta(minutes=15)
"""How far the shown time may be behind. Each change is a row in the logbook, and cars may report every minute."""


async def async_setup_entry(
    _hass: HomeAssistant, entry: EVConduitConfigEntry, async_add_entities: AddConfigEntryEntitiesCallback
) -> None:
    """Set up the sensors of all vehicles."""
    async_add_vehicle_entities(entry, async_add_entities, Platform.SENSOR, SENSORS, _create_sensor)


class VehicleSensor(VehicleEntity, SensorEntity):
    """A sensor of a vehicle."""

    entity_description: VehicleSensorDescription

    @property
    @override
    def native_value(self) -> float | str | datetime | None:
        return self.entity_description.value_fn(self.vehicle)


class LastSeenSensor(VehicleSensor):
    """When the vehicle was last in contact with its maker.

    Home Assistant's logbook leaves out sensors whose state is a number, but has no such rule for times. Therefore the
    time advances in steps of LAST_SEEN_INTERVAL, and whenever the vehicle becomes reachable or unreachable.
    """

    _shown: datetime | None = None
    _shown_is_reachable: bool | None = None

    @property
    @override
    def native_value(self) -> datetime | None:
        last_seen, is_reachable = self.vehicle.last_seen, self.vehicle.is_reachable
        is_close = (
            last_seen is not None
            and self._shown is not None
            and timedelta(0) <= last_seen - self._shown < LAST_SEEN_INTERVAL
        )
        if not is_close or is_reachable is not self._shown_is_reachable:
            self._shown, self._shown_is_reachable = last_seen, is_reachable
        return self._shown


def _create_sensor(coordinator: VehicleCoordinator, description: VehicleSensorDescription) -> VehicleSensor:
    sensor_type = LastSeenSensor if description.key == "last_seen" else VehicleSensor
    return sensor_type(coordinator, description)
