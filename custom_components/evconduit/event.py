from dataclasses import dataclass
from typing import Final, override

from homeassistant.components.event import EventEntity, EventEntityDescription
from homeassistant.const import Platform
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .client import Command, CommandState, Transition
from .command_events import describe_command, get_outcome
from .entity import VehicleEntity, VehicleEntityDescription, async_add_vehicle_entities
from .runtime import EVConduitConfigEntry
from .vehicle_coordinator import VehicleCoordinator

PARALLEL_UPDATES = 0  # the coordinator updates the entities


@dataclass(frozen=True, kw_only=True)
class VehicleEventDescription(VehicleEntityDescription, EventEntityDescription):
    """Describes an event entity."""


CHARGING_EVENT_TYPES: Final = {
    "plugged_in": "plugged_in",
    "unplugged": "unplugged",
    "charging_started": "started",
    "charging_stopped": "stopped",
    "charging_completed": "completed",
    "charging_fault": "fault",
}
"""The event type of each type of transition."""
COMMAND_EVENT_TYPES: Final = (
    CommandState.CONFIRMED,
    CommandState.FAILED,
    CommandState.CANCELLED,
    CommandState.UNKNOWN,
)

EVENTS: tuple[VehicleEventDescription, ...] = (
    VehicleEventDescription(
        key="charging",
        event_types=list(CHARGING_EVENT_TYPES.values()),
        supported_fn=lambda capabilities: capabilities.charge_state.is_supported,
    ),
    VehicleEventDescription(
        key="command",
        event_types=[state.value for state in COMMAND_EVENT_TYPES],
        supported_fn=lambda capabilities: capabilities.has_commands,
    ),
)


async def async_setup_entry(
    _hass: HomeAssistant, entry: EVConduitConfigEntry, async_add_entities: AddConfigEntryEntitiesCallback
) -> None:
    """Set up the event entities of all vehicles."""
    async_add_vehicle_entities(entry, async_add_entities, Platform.EVENT, EVENTS, _create_event)


class VehicleEvent(VehicleEntity, EventEntity):
    """Base of the event entities."""

    entity_description: VehicleEventDescription


class ChargingEvent(VehicleEvent):
    """The last change of plug and charging. The relay finds them also where a state was unknown in between."""

    @override
    async def async_added_to_hass(self) -> None:
        await super().async_added_to_hass()
        self.async_on_remove(self.coordinator.events.transitions.async_add_listener(self._async_handle_transition))

    @callback
    def _async_handle_transition(self, transition: Transition) -> None:
        if (event_type := CHARGING_EVENT_TYPES.get(transition.type)) is None:
            return  # added in a later version of the relay
        occurred_at = transition.occurred_at
        self._trigger_event(event_type, {"occurred_at": occurred_at.isoformat() if occurred_at else None})
        self.async_write_ha_state()


class CommandEvent(VehicleEvent):
    """The outcome of the last command, with the reason if it was not carried out."""

    @override
    async def async_added_to_hass(self) -> None:
        await super().async_added_to_hass()
        self.async_on_remove(self.coordinator.events.outcomes.async_add_listener(self._async_handle_outcome))

    @callback
    def _async_handle_outcome(self, command: Command) -> None:
        self._trigger_event(get_outcome(command), describe_command(command))
        self.async_write_ha_state()


def _create_event(coordinator: VehicleCoordinator, description: VehicleEventDescription) -> VehicleEvent:
    event_type = ChargingEvent if description.key == "charging" else CommandEvent
    return event_type(coordinator, description)
