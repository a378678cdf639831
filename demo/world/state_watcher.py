"""Track all states of a Home Assistant by its events, and wait for conditions on them."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from demo.world.hass_api import Json
from demo.world.hass_socket import HassSocket


class StateTimeoutError(Exception):
    """A condition was not met in time. The message says what was expected and what was seen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StateChange:
    """A change of an entity's state. `at` is on the monotonic clock."""

    at: float
    entity_id: str
    state: str


@dataclass(slots=True, kw_only=True)
class StateWatcher:
    """The present states, and all changes since the start, in order."""

    states: dict[str, Json] = field(default_factory=dict)
    changes: list[StateChange] = field(default_factory=list)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    def handle_event(self, event: Json) -> None:
        """Handle a `state_changed` event."""
        data = event["data"]
        if data["new_state"] is None:
            self.states.pop(data["entity_id"], None)
        else:
            self._set_state(data["new_state"])

    def _set_state(self, state: Json) -> None:
        entity_id, value = state["entity_id"], state["state"]
        if value != self.get_state(entity_id):
            self.changes.append(StateChange(at=time.monotonic(), entity_id=entity_id, state=value))
        self.states[entity_id] = state
        self._changed.set()

    def add_initial_states(self, states: list[Json]) -> None:
        """Add the initial states, except those of entities that have already had an event."""
        for state in states:
            if state["entity_id"] not in self.states:
                self._set_state(state)

    def get_state(self, entity_id: str) -> str | None:
        """Return an entity's state; None if there is no such entity."""
        state = self.states.get(entity_id)
        return None if state is None else str(state["state"])

    async def wait_until(
        self, what: str, holds: Callable[[], bool], *, within: float, seen: Callable[[], object]
    ) -> float:
        """Wait until `holds` is true. Returns the seconds it took. Raises StateTimeoutError."""
        began = time.monotonic()
        try:
            async with asyncio.timeout(within):
                while not holds():
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            raise StateTimeoutError(f"expected {what} within {within:g} s, saw {seen()}") from None
        return time.monotonic() - began

    async def wait_for_state(self, entity_id: str, wanted: str, *, within: float) -> float:
        """Wait until an entity has a state. Returns the seconds it took."""
        return await self.wait_until(
            f"{entity_id} to be {wanted}",
            lambda: self.get_state(entity_id) == wanted,
            within=within,
            seen=lambda: self.get_state(entity_id),
        )


@asynccontextmanager
async def watch_states(socket: HassSocket) -> AsyncIterator[StateWatcher]:
    """Watch the states of the connected Home Assistant."""
    watcher = StateWatcher()
    await socket.subscribe(watcher.handle_event, "subscribe_events", event_type="state_changed")
    watcher.add_initial_states(await socket.call("get_states"))
    yield watcher
