"""Sensors of what a vehicle has charged and discharged, from the relay's counters."""

from homeassistant.components.sensor import SensorDeviceClass, SensorStateClass
from homeassistant.const import UnitOfEnergy

from .client import DataKind
from .vehicle_coordinator import DataScope
from .vehicle_sensors import VehicleSensorDescription

ENERGY_SENSORS: tuple[VehicleSensorDescription, ...] = (
    VehicleSensorDescription(
        key="charge_energy_total",
        device_class=SensorDeviceClass.ENERGY,
        state_class=SensorStateClass.TOTAL_INCREASING,
        native_unit_of_measurement=UnitOfEnergy.KILO_WATT_HOUR,
        suggested_display_precision=1,
        supported_fn=lambda capabilities: capabilities.charge_state.is_supported,
        scope=DataScope.HISTORY,
        value_fn=lambda record: record.energy.lifetime_kwh if record.energy else None,
    ),
    VehicleSensorDescription(
        key="charge_energy_home",
        device_class=SensorDeviceClass.ENERGY,
        state_class=SensorStateClass.TOTAL_INCREASING,
        native_unit_of_measurement=UnitOfEnergy.KILO_WATT_HOUR,
        suggested_display_precision=1,
        supported_fn=lambda _: True,
        data_kind=DataKind.HOME_ENERGY,
        scope=DataScope.HISTORY,
        value_fn=lambda record: record.energy.home_kwh if record.energy else None,
    ),
    VehicleSensorDescription(
        key="discharge_energy_total",
        device_class=SensorDeviceClass.ENERGY,
        state_class=SensorStateClass.TOTAL_INCREASING,
        native_unit_of_measurement=UnitOfEnergy.KILO_WATT_HOUR,
        suggested_display_precision=1,
        supported_fn=lambda _: True,
        data_kind=DataKind.DISCHARGED_ENERGY,
        scope=DataScope.HISTORY,
        value_fn=lambda record: record.energy.discharged_kwh if record.energy else None,
    ),
)
