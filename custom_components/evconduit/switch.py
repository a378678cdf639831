from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, override

from homeassistant.components.switch import SwitchEntity, SwitchEntityDescription
from homeassistant.const import EntityCategory, Platform
from homeassistant.core import HomeAssistant
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .client import CommandKind
from .entity import VehicleEntity, VehicleEntityDescription, async_add_vehicle_entities
from .runtime import EVConduitConfigEntry
from .smart_charging import async_change_smart_charging, async_set_override, get_settings
from .vehicle_coordinator import VehicleCoordinator

PARALLEL_UPDATES = 0  # the coordinator sends one command at a time to each vehicle


@dataclass(frozen=True, kw_only=True)
class VehicleSwitchDescription(VehicleEntityDescription, SwitchEntityDescription):
    """Describes a switch."""

    is_on_fn: Callable[[VehicleCoordinator], bool | None]
    switch_fn: Callable[[VehicleCoordinator, bool], Awaitable[object]]


def _is_charging(vehicle: VehicleCoordinator) -> bool | None:
    """Return the requested state while the outcome of a command is open, else the reported state."""
    kind = vehicle.open_command_kind
    if kind in {CommandKind.START, CommandKind.STOP}:
        return kind is CommandKind.START
    return vehicle.data.vehicle.charge_state.is_charging


SWITCHES: tuple[VehicleSwitchDescription, ...] = (
    VehicleSwitchDescription(
        key="charging",
        supported_fn=lambda capabilities: (
            capabilities.start_charging.is_supported or capabilities.stop_charging.is_supported
        ),
        is_on_fn=_is_charging,
        switch_fn=lambda vehicle, is_on: vehicle.async_send_charging_command(
            CommandKind.START if is_on else CommandKind.STOP
        ),
    ),
    VehicleSwitchDescription(
        key="smart_charging",
        entity_category=EntityCategory.CONFIG,
        feature="smart_charging",
        supported_fn=lambda capabilities: capabilities.smart_charging.is_supported,
        is_on_fn=lambda vehicle: get_settings(vehicle).is_enabled,
        switch_fn=lambda vehicle, is_on: async_change_smart_charging(vehicle, enabled=is_on),
    ),
    VehicleSwitchDescription(
        key="charge_now",
        feature="smart_charging",
        supported_fn=lambda capabilities: capabilities.smart_charging.is_supported,
        is_on_fn=lambda vehicle: vehicle.data.smart_charging.is_overridden,
        switch_fn=lambda vehicle, is_on: async_set_override(vehicle, is_active=is_on),
    ),
)


async def async_setup_entry(
    _hass: HomeAssistant, entry: EVConduitConfigEntry, async_add_entities: AddConfigEntryEntitiesCallback
) -> None:
    """Set up the switches of all vehicles."""
    async_add_vehicle_entities(entry, async_add_entities, Platform.SWITCH, SWITCHES, VehicleSwitch)


class VehicleSwitch(VehicleEntity, SwitchEntity):
    """A switch of a vehicle."""

    entity_description: VehicleSwitchDescription

    @property
    @override
    def is_on(self) -> bool | None:
        return self.entity_description.is_on_fn(self.coordinator)

    @override
    async def async_turn_on(self, **kwargs: Any) -> None:
        await self._async_switch(is_on=True)

    @override
    async def async_turn_off(self, **kwargs: Any) -> None:
        await self._async_switch(is_on=False)

    async def _async_switch(self, *, is_on: bool) -> None:
        with self.writing_state_after_error():
            await self.entity_description.switch_fn(self.coordinator, is_on)
