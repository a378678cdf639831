from dataclasses import dataclass
from typing import override

from homeassistant.components.button import ButtonEntity, ButtonEntityDescription
from homeassistant.const import EntityCategory, Platform
from homeassistant.core import HomeAssistant
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .entity import VehicleEntity, VehicleEntityDescription, async_add_vehicle_entities
from .runtime import EVConduitConfigEntry

PARALLEL_UPDATES = 0  # one vehicle must not wait for another; the relay limits requests
REFRESH_FEATURE = "refresh"


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
)


async def async_setup_entry(
    _hass: HomeAssistant, entry: EVConduitConfigEntry, async_add_entities: AddConfigEntryEntitiesCallback
) -> None:
    """Set up the buttons of all vehicles."""
    async_add_vehicle_entities(entry, async_add_entities, Platform.BUTTON, BUTTONS, RefreshButton)


class RefreshButton(VehicleEntity, ButtonEntity):
    """Requests new data from the vendor. It arrives as an update, if there is any."""

    entity_description: VehicleButtonDescription

    @override
    async def async_press(self) -> None:
        await self.coordinator.async_refresh_vehicle()
