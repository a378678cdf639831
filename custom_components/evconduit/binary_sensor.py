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

from .account_entity import AccountEntity, AccountEntityDescription, async_add_account_entities
from .client import Vehicle
from .entity import VehicleEntity, VehicleEntityDescription, async_add_vehicle_entities
from .runtime import EVConduitConfigEntry, EVConduitRuntime

PARALLEL_UPDATES = 0  # the coordinator updates the entities


@dataclass(frozen=True, kw_only=True)
class VehicleBinarySensorDescription(VehicleEntityDescription, BinarySensorEntityDescription):
    """Describes a binary sensor."""

    value_fn: Callable[[Vehicle], bool | None]


BINARY_SENSORS: tuple[VehicleBinarySensorDescription, ...] = (
    VehicleBinarySensorDescription(
        key="plugged_in",
        device_class=BinarySensorDeviceClass.PLUG,
        supported_fn=lambda capabilities: capabilities.charge_state.is_supported,
        value_fn=lambda vehicle: vehicle.charge_state.is_plugged_in,
    ),
    VehicleBinarySensorDescription(
        key="charging",
        device_class=BinarySensorDeviceClass.BATTERY_CHARGING,
        supported_fn=lambda capabilities: capabilities.charge_state.is_supported,
        value_fn=lambda vehicle: vehicle.charge_state.is_charging,
    ),
    VehicleBinarySensorDescription(
        key="fully_charged",
        supported_fn=lambda capabilities: capabilities.charge_state.is_supported,
        value_fn=lambda vehicle: vehicle.charge_state.is_fully_charged,
    ),
    VehicleBinarySensorDescription(
        key="reachable",
        device_class=BinarySensorDeviceClass.CONNECTIVITY,
        entity_category=EntityCategory.DIAGNOSTIC,
        supported_fn=lambda _: True,
        value_fn=lambda vehicle: vehicle.is_reachable,
    ),
)


@dataclass(frozen=True, kw_only=True)
class AccountBinarySensorDescription(AccountEntityDescription, BinarySensorEntityDescription):
    """Describes a binary sensor of the account."""

    is_on_fn: Callable[[EVConduitRuntime], bool]


ACCOUNT_BINARY_SENSORS: tuple[AccountBinarySensorDescription, ...] = (
    AccountBinarySensorDescription(
        key="connected",
        device_class=BinarySensorDeviceClass.CONNECTIVITY,
        entity_category=EntityCategory.DIAGNOSTIC,
        needs_contact=False,
        is_on_fn=lambda runtime: runtime.coordinator.availability.is_available,
    ),
)


async def async_setup_entry(
    _hass: HomeAssistant, entry: EVConduitConfigEntry, async_add_entities: AddConfigEntryEntitiesCallback
) -> None:
    """Set up the binary sensors of all vehicles and of the account."""
    async_add_vehicle_entities(entry, async_add_entities, Platform.BINARY_SENSOR, BINARY_SENSORS, VehicleBinarySensor)
    async_add_account_entities(entry, async_add_entities, ACCOUNT_BINARY_SENSORS, AccountBinarySensor)


class VehicleBinarySensor(VehicleEntity, BinarySensorEntity):
    """A binary sensor of a vehicle."""

    entity_description: VehicleBinarySensorDescription

    @property
    @override
    def is_on(self) -> bool | None:
        return self.entity_description.value_fn(self.vehicle)


class AccountBinarySensor(AccountEntity, BinarySensorEntity):
    """A binary sensor of the account."""

    entity_description: AccountBinarySensorDescription

    @property
    @override
    def is_on(self) -> bool:
        return self.entity_description.is_on_fn(self.runtime)
