"""Sensors of what a vehicle reports about itself and its link."""

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
    UnitOfEnergy,
    UnitOfLength,
    UnitOfPower,
    UnitOfTime,
)

from .client import Capabilities, ChargeState, LinkState, PowerDeliveryState, VehicleRecord
from .entity import VehicleEntity, VehicleEntityDescription
from .vehicle_coordinator import DataScope

LAST_SEEN_INTERVAL: Final = timedelta(minutes=15)
"""How far the shown time may be behind. Each change is a row in the logbook, and cars may report every minute."""
END_TIME_VARIANCE: Final = timedelta(minutes=5)
"""How far the end of charging may move before it is shown: vendors round the remaining time, some to five minutes."""
EVCC_STATUSES: Final = ("a", "b", "c")


@dataclass(frozen=True, kw_only=True)
class VehicleSensorDescription(VehicleEntityDescription, SensorEntityDescription):
    """Describes a sensor of a vehicle."""

    value_fn: Callable[[VehicleRecord], float | str | datetime | None]


class VehicleSensor(VehicleEntity, SensorEntity):
    """A sensor of a vehicle."""

    entity_description: VehicleSensorDescription

    @property
    @override
    def native_value(self) -> float | str | datetime | None:
        return self.entity_description.value_fn(self.coordinator.data)


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


class ChargeEndTimeSensor(VehicleSensor):
    """When the vehicle expects charging to end. Changes of less than END_TIME_VARIANCE aren't shown."""

    _shown: datetime | None = None

    @property
    @override
    def native_value(self) -> datetime | None:
        end = get_charge_end_time(self.coordinator.data)
        if end is None or self._shown is None or abs(end - self._shown) >= END_TIME_VARIANCE:
            self._shown = end
        return self._shown


def get_charge_end_time(record: VehicleRecord) -> datetime | None:
    """Return when charging will end, from the remaining time at the moment when the vehicle reported it."""
    charge_state = record.vehicle.charge_state
    remaining, updated_at = charge_state.charge_time_remaining, charge_state.updated_at
    if remaining is None or updated_at is None or charge_state.is_charging is not True:
        return None
    try:
        return updated_at + timedelta(minutes=remaining)
    except OverflowError:
        return None


def get_evcc_status(record: VehicleRecord) -> str | None:
    """Return the status as evcc names it: a (not plugged in), b (plugged in) or c (charging)."""
    charge_state = record.vehicle.charge_state
    state = charge_state.power_delivery_state
    if charge_state.is_charging or (charge_state.is_charging is None and state is PowerDeliveryState.CHARGING):
        return "c"
    if charge_state.is_plugged_in is not None:
        return "b" if charge_state.is_plugged_in else "a"
    if state is None:
        return None
    return "a" if state is PowerDeliveryState.UNPLUGGED else "b"


def get_battery_energy(record: VehicleRecord) -> float | None:
    """Return the energy in the battery in kWh, from its level and its usable capacity."""
    level, capacity = record.vehicle.charge_state.battery_level, record.vehicle.charge_state.battery_capacity
    return None if level is None or capacity is None else level * capacity / 100


def get_charge_power(record: VehicleRecord) -> float | None:
    """Return the power in kW, 0 if the vehicle is known not to charge: Enode's rate is null then."""
    charge_state = record.vehicle.charge_state
    if charge_state.is_charging is not None:
        return charge_state.charge_rate if charge_state.is_charging else 0
    if charge_state.charge_rate is None and is_known_not_to_charge(charge_state):
        return 0
    return charge_state.charge_rate


def is_known_not_to_charge(charge_state: ChargeState) -> bool:
    """Return whether a vehicle that doesn't report whether it charges can't be charging."""
    state = charge_state.power_delivery_state
    return charge_state.is_plugged_in is False or (state is not None and state is not PowerDeliveryState.CHARGING)


def get_charging_state(record: VehicleRecord) -> str | None:
    """Return the state in Enode's words."""
    state = record.vehicle.charge_state.power_delivery_state
    return None if state is None else state.name.lower()


def _reports_charging(capabilities: Capabilities) -> bool:
    return capabilities.charge_state.is_supported


VEHICLE_SENSORS: tuple[VehicleSensorDescription, ...] = (
    VehicleSensorDescription(
        key="battery_level",
        device_class=SensorDeviceClass.BATTERY,
        state_class=SensorStateClass.MEASUREMENT,
        native_unit_of_measurement=PERCENTAGE,
        suggested_display_precision=0,
        supported_fn=_reports_charging,
        value_fn=lambda record: record.vehicle.charge_state.battery_level,
    ),
    VehicleSensorDescription(
        key="range",
        device_class=SensorDeviceClass.DISTANCE,
        state_class=SensorStateClass.MEASUREMENT,
        native_unit_of_measurement=UnitOfLength.KILOMETERS,
        suggested_display_precision=0,
        supported_fn=_reports_charging,
        value_fn=lambda record: record.vehicle.charge_state.range,
    ),
    VehicleSensorDescription(
        key="charging_state",
        device_class=SensorDeviceClass.ENUM,
        options=[state.name.lower() for state in PowerDeliveryState],
        supported_fn=_reports_charging,
        value_fn=get_charging_state,
    ),
    VehicleSensorDescription(
        key="charge_power",
        device_class=SensorDeviceClass.POWER,
        state_class=SensorStateClass.MEASUREMENT,
        native_unit_of_measurement=UnitOfPower.KILO_WATT,
        suggested_display_precision=1,
        supported_fn=_reports_charging,
        value_fn=get_charge_power,
    ),
    VehicleSensorDescription(
        key="charge_time_remaining",
        device_class=SensorDeviceClass.DURATION,
        state_class=SensorStateClass.MEASUREMENT,
        native_unit_of_measurement=UnitOfTime.MINUTES,
        suggested_display_precision=0,
        supported_fn=_reports_charging,
        value_fn=lambda record: record.vehicle.charge_state.charge_time_remaining,
    ),
    VehicleSensorDescription(
        key="charge_end_time",
        device_class=SensorDeviceClass.TIMESTAMP,
        supported_fn=_reports_charging,
        value_fn=get_charge_end_time,
    ),
    VehicleSensorDescription(
        key="charge_limit",  # no device class: many cards would show a second "battery" in place of the battery level
        native_unit_of_measurement=PERCENTAGE,
        suggested_display_precision=0,
        supported_fn=_reports_charging,
        value_fn=lambda record: record.vehicle.charge_state.charge_limit,
    ),
    VehicleSensorDescription(
        key="battery_capacity",
        device_class=SensorDeviceClass.ENERGY_STORAGE,
        native_unit_of_measurement=UnitOfEnergy.KILO_WATT_HOUR,
        suggested_display_precision=1,
        entity_category=EntityCategory.DIAGNOSTIC,
        supported_fn=_reports_charging,
        value_fn=lambda record: record.vehicle.charge_state.battery_capacity,
    ),
    VehicleSensorDescription(
        key="battery_energy",
        device_class=SensorDeviceClass.ENERGY_STORAGE,
        state_class=SensorStateClass.MEASUREMENT,
        native_unit_of_measurement=UnitOfEnergy.KILO_WATT_HOUR,
        suggested_display_precision=1,
        supported_fn=_reports_charging,
        value_fn=get_battery_energy,
    ),
    VehicleSensorDescription(
        key="odometer",
        device_class=SensorDeviceClass.DISTANCE,
        state_class=SensorStateClass.TOTAL_INCREASING,
        native_unit_of_measurement=UnitOfLength.KILOMETERS,
        suggested_display_precision=0,
        supported_fn=lambda capabilities: capabilities.odometer.is_supported,
        value_fn=lambda record: record.vehicle.odometer,
    ),
    VehicleSensorDescription(
        key="evcc_status",
        device_class=SensorDeviceClass.ENUM,
        options=list(EVCC_STATUSES),
        entity_category=EntityCategory.DIAGNOSTIC,
        supported_fn=_reports_charging,
        value_fn=get_evcc_status,
    ),
    VehicleSensorDescription(
        key="link_state",
        device_class=SensorDeviceClass.ENUM,
        options=[state.value for state in LinkState],
        entity_category=EntityCategory.DIAGNOSTIC,
        scope=DataScope.LINK,
        supported_fn=lambda _: True,
        value_fn=lambda record: None if record.link_state is None else record.link_state.value,
    ),
    VehicleSensorDescription(
        key="corrections",
        entity_category=EntityCategory.DIAGNOSTIC,
        entity_registry_enabled_default=False,
        suggested_display_precision=0,
        supported_fn=lambda _: True,
        value_fn=lambda record: len(record.corrections),
    ),
    VehicleSensorDescription(
        key="last_seen",
        device_class=SensorDeviceClass.TIMESTAMP,
        entity_category=EntityCategory.DIAGNOSTIC,
        scope=DataScope.HISTORY,
        supported_fn=lambda _: True,
        value_fn=lambda record: record.vehicle.last_seen,
    ),
    VehicleSensorDescription(
        key="charging_updated",
        device_class=SensorDeviceClass.TIMESTAMP,
        entity_category=EntityCategory.DIAGNOSTIC,
        entity_registry_enabled_default=False,
        scope=DataScope.HISTORY,
        supported_fn=_reports_charging,
        value_fn=lambda record: record.vehicle.charge_state.updated_at,
    ),
    VehicleSensorDescription(
        key="location_updated",
        device_class=SensorDeviceClass.TIMESTAMP,
        entity_category=EntityCategory.DIAGNOSTIC,
        entity_registry_enabled_default=False,
        scope=DataScope.HISTORY,
        supported_fn=lambda capabilities: capabilities.location.is_supported,
        value_fn=lambda record: record.vehicle.location.updated_at,
    ),
    VehicleSensorDescription(
        key="odometer_updated",
        device_class=SensorDeviceClass.TIMESTAMP,
        entity_category=EntityCategory.DIAGNOSTIC,
        entity_registry_enabled_default=False,
        scope=DataScope.HISTORY,
        supported_fn=lambda capabilities: capabilities.odometer.is_supported,
        value_fn=lambda record: record.vehicle.odometer_updated_at,
    ),
)
SENSOR_TYPES: Final[dict[str, type[VehicleSensor]]] = {
    "last_seen": LastSeenSensor,
    "charge_end_time": ChargeEndTimeSensor,
}
"""The classes of sensors that don't show each change."""
