"""Waits until a vehicle is linked on one of the relay's one-time pages, without an address of Home Assistant's own."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from typing import Final

from homeassistant.config_entries import ConfigEntryState

from .client import LinkPage, LinkResultState, NotFoundError, RelayError
from .device_registry import get_vehicle_name
from .runtime import EVConduitConfigEntry
from .vehicle_coordinator import VehicleCoordinator

POLL_INTERVAL: Final = timedelta(seconds=3)
"""The relay reads the result from Enode no more often."""
ARRIVAL_TIMEOUT: Final = timedelta(seconds=10)
"""How long the vehicle's record may take after its link is reported."""

LINKED: Final = "vehicle_linked"
RESULTS: Final = {
    LinkResultState.LINKED: LINKED,
    LinkResultState.CANCELLED: "cancelled",
    LinkResultState.FAILED: "failed",
    LinkResultState.EXPIRED: "timeout",
}


class LinkWait:
    """Waits for the result of one page, or for a change of the account that shows it."""

    def __init__(
        self, entry: EVConduitConfigEntry, page: LinkPage, limit: timedelta, is_done: Callable[[], bool]
    ) -> None:
        """`is_done` returns whether the account shows that the vehicle is linked."""
        self._entry = entry
        self._runtime = entry.runtime_data
        self._page = page
        self._limit = limit
        self._is_done = is_done
        self.vehicle_names: tuple[str, ...] = ()
        """Of the vehicles that the relay reported as linked."""

    async def async_run(self, vehicle: VehicleCoordinator | None = None) -> str:
        """Wait, also for changes of `vehicle`.

        Return `vehicle_linked`, `cancelled`, `failed`, `timeout`, `entry_unloaded`, or `vehicle_gone`.
        """
        changed = asyncio.Event()
        unsubscribe = [
            self._runtime.coordinator.async_add_listener(changed.set),  # when vehicles are added or removed
            self._entry.async_on_state_change(changed.set),
        ]
        if vehicle is not None:
            unsubscribe.append(vehicle.async_add_listener(changed.set))
        try:
            async with asyncio.timeout(self._limit.total_seconds()):
                return await self._async_wait(changed, vehicle)
        except TimeoutError:
            return "timeout"
        finally:
            for stop in unsubscribe:
                stop()

    def get_ending(self, vehicle: VehicleCoordinator | None = None) -> str | None:
        """Return why waiting is pointless: the entry or the vehicle is gone. None if it isn't."""
        if self._entry.state is not ConfigEntryState.LOADED or self._entry.runtime_data is not self._runtime:
            return "entry_unloaded"
        if vehicle is not None and self._runtime.coordinator.vehicles.get(vehicle.data.id) is not vehicle:
            return "vehicle_gone"
        return None

    async def _async_wait(self, changed: asyncio.Event, vehicle: VehicleCoordinator | None) -> str:
        while True:
            if (ending := self.get_ending(vehicle)) is not None:
                return ending
            if self._is_done():
                return LINKED
            changed.clear()
            if (result := await self._async_get_result()) is not None:
                if result == LINKED:
                    await self._async_wait_for_record(changed, vehicle)
                return result
            await _async_wait_for(changed, POLL_INTERVAL if self._page.id else None)

    async def _async_get_result(self) -> str | None:
        """Return the result, None while there is none."""
        if self._page.id is None:
            return None
        try:
            result = await self._runtime.client.get_link_result(self._page.id)
        except NotFoundError:
            return "timeout"  # the relay deleted the page
        except RelayError:
            return None  # the next request follows
        self.vehicle_names = result.vehicle_names
        return RESULTS.get(result.state) if result.state is not None else None

    async def _async_wait_for_record(self, changed: asyncio.Event, vehicle: VehicleCoordinator | None) -> None:
        """Wait until the account shows it, so that the dialog doesn't end before. Without a stream, request it."""
        if not self._runtime.coordinator.is_streaming:
            await self._runtime.coordinator.async_refresh()
        with suppress(TimeoutError):
            async with asyncio.timeout(ARRIVAL_TIMEOUT.total_seconds()):
                while self.get_ending(vehicle) is None and not self._is_done():
                    changed.clear()
                    await changed.wait()


class NewVehicleWait(LinkWait):
    """Waits for a vehicle that the account doesn't have yet."""

    def __init__(self, entry: EVConduitConfigEntry, page: LinkPage, limit: timedelta) -> None:
        super().__init__(entry, page, limit, self._has_new_vehicle)
        self._vehicles = entry.runtime_data.coordinator.vehicles
        self._known_ids = set(self._vehicles)

    def _has_new_vehicle(self) -> bool:
        records = [vehicle.data for id_, vehicle in self._vehicles.items() if id_ not in self._known_ids]
        if records:
            self.vehicle_names = tuple(get_vehicle_name(record) for record in records)
        return bool(records)


async def _async_wait_for(event: asyncio.Event, limit: timedelta | None) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(limit.total_seconds() if limit else None):
            await event.wait()
