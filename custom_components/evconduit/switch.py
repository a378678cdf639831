from dataclasses import dataclass
from typing import Any, override

from homeassistant.components.switch import SwitchEntity, SwitchEntityDescription
from homeassistant.const import Platform
from homeassistant.core import HomeAssistant
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .client import CommandKind
from .entity import VehicleEntity, VehicleEntityDescription, async_add_vehicle_entities
from .runtime import EVConduitConfigEntry

PARALLEL_UPDATES = 1  # one command at a time


@dataclass(frozen=True, kw_only=True)
class VehicleSwitchDescription(VehicleEntityDescription, SwitchEntityDescription):
    """Something a car can be asked to do and to leave."""

    on: CommandKind
    off: CommandKind


SWITCHES: tuple[VehicleSwitchDescription, ...] = (
    VehicleSwitchDescription(
        key="charging",
        on=CommandKind.START,
        off=CommandKind.STOP,
        offered_fn=lambda can: can.start_charging.is_offered or can.stop_charging.is_offered,
    ),
)


async def async_setup_entry(
    _hass: HomeAssistant, entry: EVConduitConfigEntry, async_add_entities: AddConfigEntryEntitiesCallback
) -> None:
    """Add the switches of all cars."""
    async_add_vehicle_entities(entry, async_add_entities, Platform.SWITCH, SWITCHES, VehicleSwitch)


class VehicleSwitch(VehicleEntity, SwitchEntity):
    """Charging, as asked for while the car has not answered, else as it is."""

    entity_description: VehicleSwitchDescription

    @property
    @override
    def is_on(self) -> bool | None:
        if (requested := self.coordinator.requested) is not None:
            return requested is self.entity_description.on
        return self.vehicle.charge_state.is_charging

    @override
    async def async_turn_on(self, **kwargs: Any) -> None:
        await self.coordinator.async_charge(self.entity_description.on)

    @override
    async def async_turn_off(self, **kwargs: Any) -> None:
        await self.coordinator.async_charge(self.entity_description.off)
