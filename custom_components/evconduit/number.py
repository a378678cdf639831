from dataclasses import dataclass
from typing import Final, override

from homeassistant.components.number import NumberDeviceClass, NumberEntity, NumberEntityDescription, NumberMode
from homeassistant.const import EntityCategory, Platform, UnitOfElectricCurrent
from homeassistant.core import HomeAssistant
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .client import CommandKind
from .entity import VehicleEntity, VehicleEntityDescription, async_add_vehicle_entities
from .runtime import EVConduitConfigEntry

PARALLEL_UPDATES = 0  # the coordinator sends one command at a time to each vehicle

MIN_CURRENT: Final = 1.0
MAX_CURRENT: Final = 80.0
"""The highest current of an AC charger, in A: SAE J1772. The relay accepts more, which no car draws."""


@dataclass(frozen=True, kw_only=True)
class VehicleNumberDescription(VehicleEntityDescription, NumberEntityDescription):
    """Describes a number."""


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
    ),
)


async def async_setup_entry(
    _hass: HomeAssistant, entry: EVConduitConfigEntry, async_add_entities: AddConfigEntryEntitiesCallback
) -> None:
    """Set up the numbers of all vehicles."""
    async_add_vehicle_entities(entry, async_add_entities, Platform.NUMBER, NUMBERS, MaxCurrentNumber)


class MaxCurrentNumber(VehicleEntity, NumberEntity):
    """The limit of the charging current: the requested one while the outcome of a command is open."""

    entity_description: VehicleNumberDescription

    @property
    @override
    def native_value(self) -> float | None:
        command = self.coordinator.open_command
        if command is not None and command.kind is CommandKind.MAX_CURRENT:
            return command.amps
        return self.vehicle.charge_state.max_current

    @override
    async def async_set_native_value(self, value: float) -> None:
        await self.coordinator.async_set_max_current(value)
