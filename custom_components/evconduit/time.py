from dataclasses import dataclass
from datetime import time
from typing import override

from homeassistant.components.time import TimeEntity, TimeEntityDescription
from homeassistant.const import EntityCategory, Platform
from homeassistant.core import HomeAssistant
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .entity import VehicleEntity, VehicleEntityDescription, async_add_vehicle_entities
from .runtime import EVConduitConfigEntry
from .smart_charging import async_change_smart_charging, get_settings

PARALLEL_UPDATES = 0  # one vehicle must not wait for another


@dataclass(frozen=True, kw_only=True)
class VehicleTimeDescription(VehicleEntityDescription, TimeEntityDescription):
    """Describes a time of day."""


TIMES: tuple[VehicleTimeDescription, ...] = (
    VehicleTimeDescription(
        key="ready_by",
        entity_category=EntityCategory.CONFIG,
        feature="smart_charging",
        supported_fn=lambda capabilities: capabilities.smart_charging.is_supported,
    ),
)


async def async_setup_entry(
    _hass: HomeAssistant, entry: EVConduitConfigEntry, async_add_entities: AddConfigEntryEntitiesCallback
) -> None:
    """Set up the times of all vehicles."""
    async_add_vehicle_entities(entry, async_add_entities, Platform.TIME, TIMES, ReadyByTime)


class ReadyByTime(VehicleEntity, TimeEntity):
    """The local time at which smart charging has charged the vehicle to its own limit. Enode has no other target."""

    entity_description: VehicleTimeDescription

    @property
    @override
    def native_value(self) -> time | None:
        return get_settings(self.coordinator).ready_by

    @override
    async def async_set_value(self, value: time) -> None:
        with self.writing_state_after_error():
            await async_change_smart_charging(self.coordinator, ready_by=value.strftime("%H:%M"))
