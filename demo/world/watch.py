"""All states of a Home Assistant, kept current by its own events, and waiting for them to become something."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from demo.world.hass_api import Json
from demo.world.hass_socket import HassSocket


class NotSeenError(Exception):
    """Something did not come about in time. Says what was awaited, and what there was instead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """An entity took on a state. `at` is on the monotonic clock."""

    at: float
    entity_id: str
    state: str


@dataclass(slots=True, kw_only=True)
class Watch:
    """The states as of now, and every change of a state since the watch began, in order."""

    states: dict[str, Json] = field(default_factory=dict)
    changes: list[Change] = field(default_factory=list)
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    def take(self, event: Json) -> None:
        """A `state_changed` event."""
        data = event["data"]
        if data["new_state"] is None:
            self.states.pop(data["entity_id"], None)
        else:
            self._put(data["new_state"])

    def _put(self, state: Json) -> None:
        entity_id, value = state["entity_id"], state["state"]
        if value != self.state(entity_id):
            self.changes.append(Change(at=time.monotonic(), entity_id=entity_id, state=value))
        self.states[entity_id] = state
        self._news.set()

    def fill(self, states: list[Json]) -> None:
        """The states to begin with. What events have told in the meantime is newer."""
        for state in states:
            if state["entity_id"] not in self.states:
                self._put(state)

    def state(self, entity_id: str) -> str | None:
        """An entity's state; None when there is no such entity."""
        found = self.states.get(entity_id)
        return None if found is None else str(found["state"])

    async def until(self, what: str, holds: Callable[[], bool], *, within: float, seen: Callable[[], object]) -> float:
        """Wait until `holds`; the seconds it took. Raises NotSeenError, which tells `what` and what was `seen`."""
        began = time.monotonic()
        try:
            async with asyncio.timeout(within):
                while not holds():
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            raise NotSeenError(f"expected {what} within {within:g} s, saw {seen()}") from None
        return time.monotonic() - began

    async def until_state(self, entity_id: str, wanted: str, *, within: float) -> float:
        """Wait until an entity has a state; the seconds it took."""
        return await self.until(
            f"{entity_id} to be {wanted}",
            lambda: self.state(entity_id) == wanted,
            within=within,
            seen=lambda: self.state(entity_id),
        )


@asynccontextmanager
async def watching(socket: HassSocket) -> AsyncIterator[Watch]:
    """A watch over the Home Assistant behind this connection, for as long as that lasts."""
    watch = Watch()
    await socket.subscribe(watch.take, "subscribe_events", event_type="state_changed")
    watch.fill(await socket.call("get_states"))
    yield watch
