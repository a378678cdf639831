"""Poll Enode for all vehicles, for relays that its webhook cannot reach. Changes are stored as events in the inbox."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol
from uuid import UUID

import psycopg

from relay.gateways.enode import EnodeError, VehicleReading
from relay.inbox.service import Inbox
from relay.kit.database import Pool
from relay.usecases.calls.store_readings import store_event_payloads, store_readings
from relay.usecases.events.poll_smart_charging import SmartChargingPoller, SmartChargingStatuses
from relay.vehicles.transitions import parse_charge_flags

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class PollIntervals:
    """Times between polls. Enode itself gets updates from most vendors no more often than this."""

    # While a vehicle charges, and after a failure.
    charging: timedelta = timedelta(minutes=2)
    idle: timedelta = timedelta(minutes=7)
    # Lower bound, even when polls are requested.
    minimum: timedelta = timedelta(seconds=10)


class VehicleList(Protocol):
    """Lists every vehicle of our account at Enode."""

    def list_all(self) -> AsyncIterator[VehicleReading]:
        """Yield each vehicle with the time it was read. Raises EnodeError, after which the list is incomplete."""
        ...


class EnodeVehicleClient(Protocol):
    """The part of EnodeClient that the poller uses."""

    @property
    def vehicles(self) -> VehicleList:
        """Operations on vehicles."""
        ...

    @property
    def smart_charging(self) -> SmartChargingStatuses:
        """Operations on smart charging."""
        ...


class EnodePoller:
    """Polls Enode while it runs. `wake` is called with the users that have new events in the inbox."""

    def __init__(
        self,
        pool: Pool,
        enode: EnodeVehicleClient,
        *,
        account_id: str,
        wake: Callable[[Collection[UUID]], None],
        intervals: PollIntervals | None = None,
    ) -> None:
        self._pool = pool
        self._enode = enode
        self._inbox = Inbox(pool, account_id=account_id, secrets=(), wake=wake)
        self._intervals = intervals or PollIntervals()
        self._poll_requested = asyncio.Event()
        self._smart_charging = SmartChargingPoller()

    def request_poll(self) -> None:
        """Poll early, for example because a vehicle was just linked or got a command."""
        self._poll_requested.set()

    async def run(self) -> None:
        """Poll until cancelled. A failed poll is retried after the interval for charging vehicles."""
        while True:
            try:
                interval = await self.poll_once()
            except (EnodeError, psycopg.Error) as error:
                interval = self._intervals.charging
                log.warning("enode poll failed error=%s retry_in=%s", type(error).__name__, interval)
            await asyncio.sleep(min(interval, self._intervals.minimum).total_seconds())
            try:
                async with asyncio.timeout((interval - self._intervals.minimum).total_seconds()):
                    await self._poll_requested.wait()
            except TimeoutError:
                pass
            self._poll_requested.clear()

    async def poll_once(self) -> timedelta:
        """Store what changed, and return the time until the next poll. Raises EnodeError, psycopg.Error."""
        began_at = datetime.now(UTC)
        readings = [reading async for reading in self._enode.vehicles.list_all()]
        result = await store_readings(self._pool, self._inbox, readings, began_at=began_at)
        statuses = await self._smart_charging.fetch_events(self._enode, readings)
        await store_event_payloads(self._inbox, statuses)
        log.debug("enode polled vehicles=%d events_stored=%d", len(readings), result.stored)
        is_charging = any(parse_charge_flags(reading.vehicle).charging for reading in readings)
        return self._intervals.charging if is_charging else self._intervals.idle
