from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, override

from homeassistant.components.number import NumberDeviceClass, NumberEntity, NumberEntityDescription, NumberMode
from homeassistant.const import PERCENTAGE, EntityCategory, Platform, UnitOfElectricCurrent
from homeassistant.core import HomeAssistant
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .client import CommandKind
from .entity import VehicleEntity, VehicleEntityDescription, async_add_vehicle_entities
from .runtime import EVConduitConfigEntry
from .smart_charging import async_change_smart_charging, get_settings
from .vehicle_coordinator import VehicleCoordinator

PARALLEL_UPDATES = 0  # the coordinator sends one command at a time to each vehicle

MIN_CURRENT: Final = 1.0
MAX_CURRENT: Final = 80.0
"""The highest current of an AC charger, in A: SAE J1772. The relay accepts more, which no car draws."""


@dataclass(frozen=True, kw_only=True)
class VehicleNumberDescription(VehicleEntityDescription, NumberEntityDescription):
    """Describes a number."""

    value_fn: Callable[[VehicleCoordinator], float | None]
    set_fn: Callable[[VehicleCoordinator, float], Awaitable[object]]


def _max_current(vehicle: VehicleCoordinator) -> float | None:
    """Return the requested limit while the outcome of a command is open, else the reported one."""
    command = vehicle.open_command
    if command is not None and command.kind is CommandKind.MAX_CURRENT:
        return command.amps
    return vehicle.data.vehicle.charge_state.max_current


NUMBERS: tuple[VehicleNumberDescription, ...] = (
    VehicleNumberDescription(
        key="max_current",
        device_class=NumberDeviceClass.CURRENT,
        entity_category=EntityCategory.CONFIG,
        native_unit_of_measurement=UnitOfElectricCurrent.AMPERE,
        native_min_value=MIN_CURRENT,
        native_max_value=MAX_CURRENT,
        native_step=1,
        mode=NumberMode.BOX,
        feature="max_current",
        supported_fn=lambda capabilities: capabilities.set_max_current.is_supported,
        value_fn=_max_current,
        set_fn=VehicleCoordinator.async_set_max_current,
    ),
    VehicleNumberDescription(
        key="minimum_level",
        entity_category=EntityCategory.CONFIG,
        native_unit_of_measurement=PERCENTAGE,
        native_min_value=0,
        native_max_value=100,
        native_step=5,
        feature="smart_charging",
        supported_fn=lambda capabilities: capabilities.smart_charging.is_supported,
        value_fn=lambda vehicle: get_settings(vehicle).minimum_level,
        set_fn=lambda vehicle, value: async_change_smart_charging(vehicle, minimum_level=value),
    ),
)


async def async_setup_entry(
    _hass: HomeAssistant, entry: EVConduitConfigEntry, async_add_entities: AddConfigEntryEntitiesCallback
) -> None:
    """Set up the numbers of all vehicles."""
    async_add_vehicle_entities(entry, async_add_entities, Platform.NUMBER, NUMBERS, VehicleNumber)


class VehicleNumber(VehicleEntity, NumberEntity):
    """A number of a vehicle."""

    entity_description: VehicleNumberDescription

    @property
    @override
    def native_value(self) -> float | None:
        return self.entity_description.value_fn(self.coordinator)

    @override
    async def async_set_native_value(self, value: float) -> None:
        with self.writing_state_after_error():
            await self.entity_description.set_fn(self.coordinator, value)
