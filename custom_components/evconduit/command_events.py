"""The event that Home Assistant's event bus gets when a command was not carried out. The logbook describes it."""

from typing import Final

from homeassistant.const import ATTR_DEVICE_ID, ATTR_NAME
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import device_registry as dr

from .client import Command, CommandKind, CommandState, VehicleRecord
from .const import DOMAIN
from .device_registry import get_vehicle_name

EVENT_COMMAND_FAILED: Final = "evconduit_command_failed"
ATTR_COMMAND: Final = "command"
ATTR_OUTCOME: Final = "outcome"
ATTR_REASON: Final = "reason"
ATTR_DETAIL: Final = "detail"

COMMAND_NAMES: Final = {
    CommandKind.START: "start_charging",
    CommandKind.STOP: "stop_charging",
    CommandKind.MAX_CURRENT: "set_max_current",
}
"""The actions that send the commands."""


@callback
def async_fire_command_event(hass: HomeAssistant, entry_id: str, record: VehicleRecord, command: Command) -> None:
    """Fire the event if the command failed, was cancelled, or its outcome can't be determined."""
    if command.is_open or command.state is CommandState.CONFIRMED:
        return
    device = dr.async_get(hass).async_get_device_by_identifier((DOMAIN, record.id), entry_id)
    if device is None:
        return
    hass.bus.async_fire(
        EVENT_COMMAND_FAILED,
        {
            ATTR_DEVICE_ID: device.id,
            ATTR_NAME: device.name_by_user or get_vehicle_name(record),
            **describe_command(command),
        },
    )


def describe_command(command: Command) -> dict[str, str | float | None]:
    """Return the data of an event about a settled command. `reason` is an error type, `detail` a sentence."""
    return {
        "command_id": command.id,
        ATTR_COMMAND: None if command.kind is None else COMMAND_NAMES[command.kind],
        "amps": command.amps,
        ATTR_OUTCOME: get_outcome(command),
        ATTR_REASON: command.reason.type,
        ATTR_DETAIL: command.reason.detail,
    }


def get_outcome(command: Command) -> str:
    """Return the outcome of a settled command. A state added in a later version counts as unknown."""
    return (command.state or CommandState.UNKNOWN).value
