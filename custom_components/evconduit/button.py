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
from .vehicle_coordinator import VehicleCoordinator

PARALLEL_UPDATES = 0  # one vehicle must not wait for another; the relay limits requests
REFRESH_FEATURE = "refresh"
RELINK_KEY = "relink"


@dataclass(frozen=True, kw_only=True)
class VehicleButtonDescription(VehicleEntityDescription, ButtonEntityDescription):
    """Describes a button."""


BUTTONS: tuple[VehicleButtonDescription, ...] = (
    VehicleButtonDescription(
        key="refresh",
        entity_category=EntityCategory.DIAGNOSTIC,
        feature=REFRESH_FEATURE,
        supported_fn=lambda _: True,
    ),
    VehicleButtonDescription(
        key=RELINK_KEY,
        entity_category=EntityCategory.DIAGNOSTIC,
        feature=RELINK_FEATURE,
        supported_fn=lambda _: True,
    ),
)


async def async_setup_entry(
    _hass: HomeAssistant, entry: EVConduitConfigEntry, async_add_entities: AddConfigEntryEntitiesCallback
) -> None:
    """Set up the buttons of all vehicles."""
    async_add_vehicle_entities(entry, async_add_entities, Platform.BUTTON, BUTTONS, create_button)


def create_button(coordinator: VehicleCoordinator, description: VehicleButtonDescription) -> VehicleEntity:
    """Create the entity that a description is for."""
    return (RelinkButton if description.key == RELINK_KEY else RefreshButton)(coordinator, description)


class RefreshButton(VehicleEntity, ButtonEntity):
    """Requests new data from the vendor. It arrives as an update, if there is any."""

    entity_description: VehicleButtonDescription

    @override
    async def async_press(self) -> None:
        await self.coordinator.async_refresh_vehicle()


class RelinkButton(VehicleEntity, ButtonEntity):
    """Shows a page to sign in with the manufacturer again, while the link is broken."""

    entity_description: VehicleButtonDescription

    @property
    @override
    def available(self) -> bool:
        return super().available and self.coordinator.data.link_state is LinkState.BROKEN

    @override
    async def async_press(self) -> None:
        await async_show_relink_page(self.hass, self.coordinator)

    @callback
    @override
    def _handle_coordinator_update(self) -> None:
        if self.coordinator.data.link_state is not LinkState.BROKEN:
            async_dismiss_relink_page(self.hass, self.coordinator)
        super()._handle_coordinator_update()
