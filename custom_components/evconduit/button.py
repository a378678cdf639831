from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import override

from homeassistant.components.button import ButtonEntity, ButtonEntityDescription
from homeassistant.const import EntityCategory, Platform
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .client import LinkState
from .entity import VehicleEntity, VehicleEntityDescription, async_add_vehicle_entities
from .relink_notification import async_dismiss_relink_page, async_show_relink_page
from .repair_issues import RELINK_FEATURE
from .runtime import EVConduitConfigEntry
from .vehicle_coordinator import DataScope, VehicleCoordinator

RELINK_KEY = "relink"
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
    VehicleButtonDescription(
        key=RELINK_KEY,
        entity_category=EntityCategory.DIAGNOSTIC,
        feature=RELINK_FEATURE,
        supported_fn=lambda _: True,
        press_fn=async_show_relink_page,
    ),
)


async def async_setup_entry(
    _hass: HomeAssistant, entry: EVConduitConfigEntry, async_add_entities: AddConfigEntryEntitiesCallback
) -> None:
    """Set up the buttons of all vehicles."""
    async_add_vehicle_entities(entry, async_add_entities, Platform.BUTTON, BUTTONS, create_button)


def create_button(coordinator: VehicleCoordinator, description: VehicleButtonDescription) -> VehicleEntity:
    """Create the entity that a description is for."""
    return (RelinkButton if description.key == RELINK_KEY else VehicleButton)(coordinator, description)


class VehicleButton(VehicleEntity, ButtonEntity):
    """A button of a vehicle. Refresh requests data from the vendor, which arrives as an update, if there is any."""

    entity_description: VehicleButtonDescription

    @override
    async def async_press(self) -> None:
        await self.entity_description.press_fn(self.coordinator)


class RelinkButton(VehicleButton):
    """Shows a page to sign in with the manufacturer again, while the link is broken."""

    @property
    @override
    def available(self) -> bool:
        return self.coordinator.is_available(DataScope.LINK) and self.coordinator.data.link_state is LinkState.BROKEN

    @callback
    @override
    def _handle_coordinator_update(self) -> None:
        if self.coordinator.data.link_state is not LinkState.BROKEN:
            async_dismiss_relink_page(self.hass, self.coordinator)
        super()._handle_coordinator_update()
