"""Transitions of a vehicle on their way to its event entities: each once, and none that is too old to react to."""

from collections import deque
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from homeassistant.core import CALLBACK_TYPE, callback

from .client import Command, Transition

MAX_AGE: Final = timedelta(minutes=10)
"""Older transitions trigger nothing: an automation would react to what is no longer so. Sessions still have them."""
MAX_HELD: Final = 20
"""How many are held for an entity that isn't added yet. A vehicle has a few at most within MAX_AGE."""
MAX_REPORTED: Final = 50
COMMAND_SETTLED: Final = "command_settled"


class HeldEvents[T]:
    """Passes events to the listeners. Holds those that arrive before there is one: entities are added after setup."""

    def __init__(self) -> None:
        self._listeners: list[Callable[[T], None]] = []
        self._held: deque[T] = deque(maxlen=MAX_HELD)

    @callback
    def async_add_listener(self, listener: Callable[[T], None]) -> CALLBACK_TYPE:
        """Call `listener` with each event. Returns how to stop that."""
        self._listeners.append(listener)
        while self._held:
            listener(self._held.popleft())
        return partial(self._listeners.remove, listener)

    @callback
    def async_send(self, event: T) -> None:
        """Call the listeners, or hold the event for the first one."""
        if not self._listeners:
            self._held.append(event)
        for listener in list(self._listeners):
            listener(event)


class VehicleEvents:
    """The transitions of a vehicle, and the outcomes of its commands."""

    def __init__(self, on_outcome: Callable[[Command], None]) -> None:
        """Call `on_outcome` with each settled command, also while nothing listens."""
        self.transitions = HeldEvents[Transition]()
        self.outcomes = HeldEvents[Command]()
        self._on_outcome = on_outcome
        self._reported: deque[tuple[str, str | None]] = deque(maxlen=MAX_REPORTED)

    @callback
    def async_handle_transition(self, transition: Transition, now: datetime, latest_command: Command | None) -> None:
        """Send a transition to the listeners unless it is older than MAX_AGE, by the relay's clock.

        The age counts from when the relay stored it, because no automation could react before. A relay that doesn't
        send the command of a `command_settled` means `latest_command`.
        """
        at = transition.recorded_at or transition.occurred_at
        if at is None or now - at >= MAX_AGE:
            return
        if transition.type != COMMAND_SETTLED:
            self.transitions.async_send(transition)
        elif (command := transition.command or latest_command) is not None:
            self.async_report_outcome(command)

    @callback
    def async_report_outcome(self, command: Command) -> None:
        """Send the outcome of a command to the listeners, once. It can arrive as a response and as a transition."""
        key = (command.id, command.state)
        if command.is_open or key in self._reported:
            return
        self._reported.append(key)
        self._on_outcome(command)
        self.outcomes.async_send(command)
