"""News for a relay that Enode cannot reach: ask for all vehicles now and then, what is new goes through the inbox."""

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
from relay.usecases.calls.store_readings import store_readings
from relay.vehicles.transitions import parse_charge_flags

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class PollIntervals:
    """How often to ask: Enode itself hears from most vendors no more often."""

    charging: timedelta = timedelta(minutes=2)
    idle: timedelta = timedelta(minutes=7)
    # However often somebody asks us to look.
    minimum: timedelta = timedelta(seconds=10)


class VehicleList(Protocol):
    """What lists every vehicle of our account at Enode."""

    def list_all(self) -> AsyncIterator[VehicleReading]:
        """Each, with the moment it was read. Raises EnodeError: then the list is not complete."""
        ...


class Enode(Protocol):
    """The part of Enode's client that is needed here."""

    @property
    def vehicles(self) -> VehicleList:
        """Calls about vehicles."""
        ...


class EnodePoller:
    """Asks as long as it runs. `wake` is called with users who have something new in the inbox."""

    def __init__(
        self,
        pool: Pool,
        enode: Enode,
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

    def request_poll(self) -> None:
        """Ask now rather than at the next regular time: a car has just been linked, or told to do something."""
        self._poll_requested.set()

    async def run(self) -> None:
        """Poll until cancelled. What fails is tried again as if a car were charging."""
        while True:
            try:
                pause = await self.poll_once()
            except (EnodeError, psycopg.Error) as error:
                log.warning("enode was not polled: %s", type(error).__name__)
                pause = self._intervals.charging
            await asyncio.sleep(min(pause, self._intervals.minimum).total_seconds())
            try:
                async with asyncio.timeout((pause - self._intervals.minimum).total_seconds()):
                    await self._poll_requested.wait()
            except TimeoutError:
                pass
            self._poll_requested.clear()

    async def poll_once(self) -> timedelta:
        """Store what is new, and return how long to wait. Raises EnodeError, psycopg.Error."""
        began_at = datetime.now(UTC)
        readings = [reading async for reading in self._enode.vehicles.list_all()]
        receipt = await store_readings(self._pool, self._inbox, readings, began_at=began_at)
        log.debug("%d vehicles at Enode, %d events stored", len(readings), receipt.stored)
        charging = any(parse_charge_flags(reading.vehicle).charging for reading in readings)
        return self._intervals.charging if charging else self._intervals.idle
