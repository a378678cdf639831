from typing import Final

from homeassistant.const import Platform
from homeassistant.core import HomeAssistant
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .account_entity import async_add_account_entities
from .account_sensors import ACCOUNT_SENSORS, AccountSensor
from .energy_sensors import ENERGY_SENSORS
from .entity import async_add_vehicle_entities
from .runtime import EVConduitConfigEntry
from .session_sensors import LAST_SESSION_SENSORS, TOTAL_SENSORS, create_last_session_sensor, create_total_sensor
from .vehicle_coordinator import VehicleCoordinator
from .vehicle_sensors import SENSOR_TYPES, VEHICLE_SENSORS, VehicleSensor, VehicleSensorDescription

PARALLEL_UPDATES = 0  # the coordinator updates the entities

SENSORS: Final = (*VEHICLE_SENSORS, *ENERGY_SENSORS)


async def async_setup_entry(
    _hass: HomeAssistant, entry: EVConduitConfigEntry, async_add_entities: AddConfigEntryEntitiesCallback
) -> None:
    """Set up the sensors of all vehicles and of the account."""
    platform = Platform.SENSOR
    async_add_vehicle_entities(entry, async_add_entities, platform, SENSORS, _create_sensor)
    async_add_vehicle_entities(entry, async_add_entities, platform, TOTAL_SENSORS, create_total_sensor)
    async_add_vehicle_entities(entry, async_add_entities, platform, LAST_SESSION_SENSORS, create_last_session_sensor)
    async_add_account_entities(entry, async_add_entities, ACCOUNT_SENSORS, AccountSensor)


def _create_sensor(coordinator: VehicleCoordinator, description: VehicleSensorDescription) -> VehicleSensor:
    sensor_type = SENSOR_TYPES.get(description.key, VehicleSensor)
    return sensor_type(coordinator, description)
