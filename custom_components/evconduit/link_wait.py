"""Waits until a vehicle is linked on one of the relay's one-time pages, without an address of Home Assistant's own."""

import asyncio
from contextlib import suppress
from datetime import timedelta
from typing import Final

from homeassistant.config_entries import ConfigEntryState

from .client import LinkResultState, NotFoundError, RelayError
from .device_registry import get_vehicle_name
from .runtime import EVConduitConfigEntry

POLL_INTERVAL: Final = timedelta(seconds=3)
"""The relay reads the result from Enode no more often."""
ARRIVAL_TIMEOUT: Final = timedelta(seconds=10)
"""How long the vehicle's record may take after its link is reported."""

RESULTS: Final = {
    LinkResultState.LINKED: "vehicle_linked",
    LinkResultState.CANCELLED: "cancelled",
    LinkResultState.FAILED: "failed",
    LinkResultState.EXPIRED: "timeout",
}


class LinkWait:
    """Waits for the result of one page. A vehicle that appears meanwhile is a result, too."""

    def __init__(self, entry: EVConduitConfigEntry, link_id: str, limit: timedelta) -> None:
        self._entry = entry
        self._runtime = entry.runtime_data
        self._coordinator = entry.runtime_data.coordinator
        self._link_id = link_id
        self._limit = limit
        self._known_ids = set(self._coordinator.vehicles)
        self.vehicle_names: tuple[str, ...] = ()
        """Of the vehicles that were linked, as far as they are known."""

    async def async_run(self) -> str:
        """Wait. Return `vehicle_linked`, `cancelled`, `failed`, `timeout` or `entry_not_loaded`."""
        changed = asyncio.Event()
        unsubscribe = (
            self._coordinator.async_add_listener(changed.set),  # when vehicles are added
            self._entry.async_on_state_change(changed.set),
        )
        try:
            async with asyncio.timeout(self._limit.total_seconds()):
                return await self._async_poll(changed)
        except TimeoutError:
            return "timeout"
        finally:
            for stop in unsubscribe:
                stop()

    async def _async_poll(self, changed: asyncio.Event) -> str:
        while True:
            if not self._is_loaded():
                return "entry_not_loaded"
            if self._has_new_vehicle():
                return "vehicle_linked"
            changed.clear()
            if (result := await self._async_get_result()) is not None:
                if result == "vehicle_linked":
                    await self._async_wait_for_record(changed)
                return result
            await _async_wait_for(changed, POLL_INTERVAL)

    async def _async_get_result(self) -> str | None:
        """Return the result, None while there is none."""
        try:
            result = await self._runtime.client.get_link_result(self._link_id)
        except NotFoundError:
            return "timeout"  # the relay deleted the page
        except RelayError:
            return None  # the next request follows
        self.vehicle_names = result.vehicle_names
        return RESULTS.get(result.state) if result.state is not None else None

    async def _async_wait_for_record(self, changed: asyncio.Event) -> None:
        """Wait until the vehicle is there, so that the dialog doesn't end before. Without a stream, request it."""
        if not self._coordinator.is_streaming:
            await self._coordinator.async_refresh()
        if self._is_loaded() and not self._has_new_vehicle():
            changed.clear()
            await _async_wait_for(changed, ARRIVAL_TIMEOUT)
            self._has_new_vehicle()

    def _is_loaded(self) -> bool:
        return self._entry.state is ConfigEntryState.LOADED and self._entry.runtime_data is self._runtime

    def _has_new_vehicle(self) -> bool:
        vehicles = self._coordinator.vehicles
        new_ids = [id_ for id_ in vehicles if id_ not in self._known_ids]
        if new_ids:
            self.vehicle_names = tuple(get_vehicle_name(vehicles[id_].data) for id_ in new_ids)
        return bool(new_ids)


async def _async_wait_for(event: asyncio.Event, limit: timedelta) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(limit.total_seconds()):
            await event.wait()
