from dataclasses import dataclass
from typing import Any, override

from homeassistant.components.switch import SwitchEntity, SwitchEntityDescription
from homeassistant.const import Platform
from homeassistant.core import HomeAssistant, callback
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .client import CommandKind
from .entity import VehicleEntity, VehicleEntityDescription, async_add_vehicle_entities
from .runtime import EVConduitConfigEntry

PARALLEL_UPDATES = 0  # the coordinator sends one command at a time to each vehicle


@dataclass(frozen=True, kw_only=True)
class VehicleSwitchDescription(VehicleEntityDescription, SwitchEntityDescription):
    """Describes a switch."""

    turn_on_command: CommandKind
    turn_off_command: CommandKind


SWITCHES: tuple[VehicleSwitchDescription, ...] = (
    VehicleSwitchDescription(
        key="charging",
        turn_on_command=CommandKind.START,
        turn_off_command=CommandKind.STOP,
        supported_fn=lambda capabilities: (
            capabilities.start_charging.is_supported or capabilities.stop_charging.is_supported
        ),
    ),
)


async def async_setup_entry(
    _hass: HomeAssistant, entry: EVConduitConfigEntry, async_add_entities: AddConfigEntryEntitiesCallback
) -> None:
    """Set up the switches of all vehicles."""
    async_add_vehicle_entities(entry, async_add_entities, Platform.SWITCH, SWITCHES, VehicleSwitch)


class VehicleSwitch(VehicleEntity, SwitchEntity):
    """Charging. Shows the requested state while the outcome of a command is open, else the reported state."""

    entity_description: VehicleSwitchDescription

    @property
    @override
    def is_on(self) -> bool | None:
        description = self.entity_description
        kind = self.coordinator.open_command_kind
        if kind in {description.turn_on_command, description.turn_off_command}:
            return kind is description.turn_on_command
        return self.vehicle.charge_state.is_charging

    @override
    async def async_turn_on(self, **kwargs: Any) -> None:
        await self._async_send_command(self.entity_description.turn_on_command)

    @override
    async def async_turn_off(self, **kwargs: Any) -> None:
        await self._async_send_command(self.entity_description.turn_off_command)

    async def _async_send_command(self, kind: CommandKind) -> None:
        try:
            await self.coordinator.async_send_charging_command(kind)
        except HomeAssistantError:
            self._async_write_state_again()
            raise

    @callback
    def _async_write_state_again(self) -> None:
        """Report the unchanged state as a change.

        The frontend shows the requested state until it receives one, and an unchanged state isn't sent to it.
        """
        self._attr_force_update = True
        self.async_write_ha_state()
        self._attr_force_update = False
