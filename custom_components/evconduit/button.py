from dataclasses import dataclass
from typing import override

from homeassistant.components.button import ButtonEntity, ButtonEntityDescription
from homeassistant.const import EntityCategory, Platform
from homeassistant.core import HomeAssistant
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .entity import VehicleEntity, VehicleEntityDescription, async_add_vehicle_entities
from .runtime import EVConduitConfigEntry

PARALLEL_UPDATES = 1
FEATURE = "refresh"


@dataclass(frozen=True, kw_only=True)
class VehicleButtonDescription(VehicleEntityDescription, ButtonEntityDescription):
    """Something a car can be asked for."""


BUTTONS: tuple[VehicleButtonDescription, ...] = (
    VehicleButtonDescription(key="refresh", entity_category=EntityCategory.DIAGNOSTIC, offered_fn=lambda _can: True),
)


async def async_setup_entry(
    _hass: HomeAssistant, entry: EVConduitConfigEntry, async_add_entities: AddConfigEntryEntitiesCallback
) -> None:
    """Add the buttons of all cars, where the relay knows what to do when they are pressed."""
    if FEATURE in entry.runtime_data.coordinator.data.features:
        async_add_vehicle_entities(entry, async_add_entities, Platform.BUTTON, BUTTONS, RefreshButton)


class RefreshButton(VehicleEntity, ButtonEntity):
    """Has the car's maker asked for news. They come by themselves, if there are any."""

    entity_description: VehicleButtonDescription

    @override
    async def async_press(self) -> None:
        await self.coordinator.async_ask_for_news()
