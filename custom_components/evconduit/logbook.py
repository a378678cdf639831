"""Describes in the logbook the commands that were not carried out."""

from collections.abc import Callable
from typing import Any, Final

from homeassistant.components.logbook import LOGBOOK_ENTRY_MESSAGE, LOGBOOK_ENTRY_NAME
from homeassistant.const import ATTR_NAME
from homeassistant.core import Event, HomeAssistant, callback

from .client import CommandState
from .command_events import ATTR_COMMAND, ATTR_DETAIL, ATTR_OUTCOME, ATTR_REASON, EVENT_COMMAND_FAILED
from .const import DOMAIN

# Home Assistant has no translations for messages of the logbook.
COMMAND_TEXTS: Final = {
    "start_charging": "start charging",
    "stop_charging": "stop charging",
    "set_max_current": "set the maximum current",
}
OUTCOME_TEXTS: Final = {
    CommandState.FAILED: "didn't {command}",
    CommandState.CANCELLED: "didn't {command}, because the command was cancelled",
}
UNKNOWN_OUTCOME_TEXT: Final = "didn't report whether it could {command}"


@callback
def async_describe_events(
    _hass: HomeAssistant, async_describe_event: Callable[[str, str, Callable[[Event], dict[str, Any]]], None]
) -> None:
    """Describe the events of this integration."""

    @callback
    def describe_command_failed(event: Event) -> dict[str, Any]:
        data = event.data
        command = COMMAND_TEXTS.get(data[ATTR_COMMAND], "carry out a command")
        text = OUTCOME_TEXTS.get(data[ATTR_OUTCOME], UNKNOWN_OUTCOME_TEXT).format(command=command)
        reason = data[ATTR_DETAIL] or data[ATTR_REASON]
        message = f"{text}: {reason}" if reason else text
        return {LOGBOOK_ENTRY_NAME: data[ATTR_NAME], LOGBOOK_ENTRY_MESSAGE: message}

    async_describe_event(DOMAIN, EVENT_COMMAND_FAILED, describe_command_failed)
