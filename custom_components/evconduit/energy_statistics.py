"""Hourly statistics of what each vehicle charged and what it cost, also from before Home Assistant knew the vehicle.

They are external statistics: the relay computes them, and Home Assistant stores them for the Energy dashboard. The
relay gives the hours from the first one that has changed, and the sums before it, so that importing them again always
gives the same rows.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from homeassistant.core import CALLBACK_TYPE, HomeAssistant, callback
from homeassistant.helpers.event import async_call_later, async_track_time_interval
from homeassistant.helpers.start import async_at_started
from homeassistant.util import dt as dt_util

from .client import EnergyHour, RelayError, VehicleRecord
from .const import DOMAIN, LOGGER
from .coordinator import AccountCoordinator
from .device_registry import get_vehicle_name
from .statistics_rows import create_statistic_ids, merge_rows

RECORDER_DOMAIN: Final = "recorder"
ENERGY_HOURS_FEATURE: Final = "energy_hours"
IMPORT_DELAY: Final = timedelta(minutes=5)
"""How long to wait after a change of energy. A charging vehicle changes with each report."""
RETRY_DELAY: Final = timedelta(minutes=30)
FULL_IMPORT_INTERVAL: Final = timedelta(days=1)
"""How often to compare all hours. It repairs what a restored relay or a cleaned-up database of statistics changed."""


@dataclass(frozen=True, kw_only=True, slots=True)
class AmendedHours:
    """Hours from `start` on, and the sums before it. `start` is None for the whole history."""

    start: datetime | None
    hours: tuple[EnergyHour, ...]
    energy_kwh_before: float
    costs_before: Mapping[str, float]


class EnergyStatistics:
    """Imports the statistics of an account's vehicles: at the start, after changes, and once a day as a whole."""

    def __init__(self, coordinator: AccountCoordinator) -> None:
        self._coordinator = coordinator
        self._hass: HomeAssistant = coordinator.hass
        self._lock = asyncio.Lock()
        self._pending: set[str] = set()
        self._cursors: dict[str, str] = {}
        self._currencies: dict[str, str] = {}
        self._cancel_import: CALLBACK_TYPE | None = None
        self._unsubscribe: list[CALLBACK_TYPE] = []

    @callback
    def async_start(self) -> None:
        """Start importing, if Home Assistant records anything."""
        if RECORDER_DOMAIN not in self._hass.config.components:
            return
        self._coordinator.on_energy_change = self._async_schedule_import
        self._unsubscribe = [
            async_at_started(self._hass, self._async_on_started),
            async_track_time_interval(
                self._hass, self._async_import_all, FULL_IMPORT_INTERVAL, name=f"{DOMAIN} statistics"
            ),
        ]

    @callback
    def async_stop(self) -> None:
        """Stop importing."""
        self._coordinator.on_energy_change = None
        while self._unsubscribe:
            self._unsubscribe.pop()()
        if self._cancel_import is not None:
            self._cancel_import()
            self._cancel_import = None

    @callback
    def _async_on_started(self, _hass: HomeAssistant) -> None:
        self._async_import_all(dt_util.utcnow())

    @callback
    def _async_import_all(self, _now: datetime) -> None:
        self._cursors.clear()
        self._pending.update(self._coordinator.vehicles)
        self._async_start_import(_now)

    @callback
    def _async_schedule_import(self, vehicle_id: str) -> None:
        """Import a vehicle after IMPORT_DELAY, together with what else changes until then."""
        self._pending.add(vehicle_id)
        if self._cancel_import is None:
            self._cancel_import = async_call_later(self._hass, IMPORT_DELAY, self._async_start_import)

    @callback
    def _async_start_import(self, _now: datetime) -> None:
        if self._cancel_import is not None:
            self._cancel_import()
            self._cancel_import = None
        self._coordinator.config_entry.async_create_background_task(
            self._hass, self._async_import_pending(), f"{DOMAIN} statistics"
        )

    async def _async_import_pending(self) -> None:
        """Import all vehicles whose energy has changed. If the relay doesn't answer, try again later."""
        async with self._lock:
            if ENERGY_HOURS_FEATURE not in self._coordinator.data.features:
                return
            while self._pending:
                vehicle_id = self._pending.pop()
                vehicle = self._coordinator.vehicles.get(vehicle_id)
                if vehicle is None or vehicle.data.energy is None:
                    continue  # removed, over the plan's limit, or never charged
                try:
                    await self._async_import_vehicle(vehicle.data)
                except RelayError as err:
                    LOGGER.debug("Importing statistics failed: %s", err)
                    self._pending.add(vehicle_id)
                    if self._cancel_import is None:
                        self._cancel_import = async_call_later(self._hass, RETRY_DELAY, self._async_start_import)
                    return

    async def _async_import_vehicle(self, record: VehicleRecord) -> None:
        currency = record.currency
        if currency is not None and self._currencies.get(record.id, currency) != currency:
            self._cursors.pop(record.id, None)  # costs in the new currency replace all of those in the old one
        amended, cursor = await self._async_get_amended_hours(record.id)
        if amended is not None:
            await self._async_write_both(record, amended)
        self._cursors[record.id] = cursor

    async def _async_get_amended_hours(self, vehicle_id: str) -> tuple[AmendedHours | None, str]:
        """Get the hours that have changed since the last import, if any, and the cursor for the next one."""
        client = self._coordinator.client
        first = page = await client.get_energy_hours(vehicle_id, since=self._cursors.get(vehicle_id))
        hours = list(first.hours)
        while page.next_from is not None:
            page = await client.get_energy_hours(vehicle_id, from_=page.next_from)
            hours += page.hours
        if not hours and not first.complete:
            return None, first.cursor
        amended = AmendedHours(
            start=None if first.complete else hours[0].start,
            hours=tuple(hours),
            energy_kwh_before=first.energy_kwh_before,
            costs_before=first.costs_before,
        )
        return amended, first.cursor

    async def _async_write_both(self, record: VehicleRecord, amended: AmendedHours) -> None:
        currency, (energy_id, cost_id) = record.currency, create_statistic_ids(record.id)
        energies = {hour.start: hour.energy_kwh for hour in amended.hours}
        await self._async_write(record, energy_id, amended, energies, None)
        if currency is not None:
            costs = {h.start: h.cost for h in amended.hours if h.cost is not None and h.currency == currency}
            await self._async_write(record, cost_id, amended, costs, currency)
            self._currencies[record.id] = currency

    async def _async_write(
        self,
        record: VehicleRecord,
        statistic_id: str,
        amended: AmendedHours,
        values: Mapping[datetime, float],
        currency: str | None,
    ) -> None:
        """Write a statistic: costs in a currency, or energy."""
        from .recorded_statistics import async_get_rows, async_import_rows  # noqa: PLC0415 - needs the recorder

        before = amended.energy_kwh_before if currency is None else amended.costs_before.get(currency, 0.0)
        stored = await async_get_rows(self._hass, statistic_id, amended.start)
        rows = merge_rows(values, before, stored)
        if rows:
            kind = "charge energy" if currency is None else "charge cost"
            async_import_rows(self._hass, statistic_id, f"{get_vehicle_name(record)} {kind}", currency, rows)
