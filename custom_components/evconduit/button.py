from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import override

from homeassistant.components.button import ButtonEntity, ButtonEntityDescription
from homeassistant.const import EntityCategory, Platform
from homeassistant.core import HomeAssistant
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .entity import VehicleEntity, VehicleEntityDescription, async_add_vehicle_entities
from .runtime import EVConduitConfigEntry
from .vehicle_coordinator import VehicleCoordinator

PARALLEL_UPDATES = 0  # one vehicle must not wait for another; the relay limits requests


@dataclass(frozen=True, kw_only=True)
class VehicleButtonDescription(VehicleEntityDescription, ButtonEntityDescription):
    """Describes a button."""

    press_fn: Callable[[VehicleCoordinator], Awaitable[object]]


BUTTONS: tuple[VehicleButtonDescription, ...] = (
    VehicleButtonDescription(
        key="refresh",
        entity_category=EntityCategory.DIAGNOSTIC,
        feature="refresh",
        supported_fn=lambda _: True,
        press_fn=VehicleCoordinator.async_refresh_vehicle,
    ),
    VehicleButtonDescription(
        key="cancel_command",
        feature="cancel",
        supported_fn=lambda capabilities: capabilities.has_commands,
        press_fn=VehicleCoordinator.async_cancel_command,
    ),
)


async def async_setup_entry(
    _hass: HomeAssistant, entry: EVConduitConfigEntry, async_add_entities: AddConfigEntryEntitiesCallback
) -> None:
    """Set up the buttons of all vehicles."""
    async_add_vehicle_entities(entry, async_add_entities, Platform.BUTTON, BUTTONS, VehicleButton)


class VehicleButton(VehicleEntity, ButtonEntity):
    """A button of a vehicle. Refresh requests data from the vendor, which arrives as an update, if there is any."""

    entity_description: VehicleButtonDescription

    @override
    async def async_press(self) -> None:
        await self.entity_description.press_fn(self.coordinator)
