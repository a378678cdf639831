"""The odometer by its own time: rounding, a change of units, and readings that no drive explains. Pure functions.

The newest readings are kept as a window, so that a late reading has the same result as one in time. What is older is
part of the state before the window.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from relay.vehicles.models import GroupVersion
from relay.vehicles.plausibility.movement import MAX_ODOMETER_ROUNDING_KM, is_possible_drive

KM_PER_MILE = 1.609344
MAX_UNIT_DEVIATION = 0.002
"""By what share a reading may differ from the one before in another unit; factors are 1.609 or 1.6093 as well."""
MIN_UNIT_KM = 100.0
"""Below this, readings in kilometres and miles can't be distinguished from a drive."""
CONFIRMATIONS = 2
CONFIRMATION_SPAN = timedelta(hours=24)
"""A reading that no drive explains is accepted after two more over this time, as after a change of the instrument."""
WINDOW = 24
"""Readings that are kept. A late one among them is processed in its place."""


@dataclass(frozen=True, kw_only=True, slots=True)
class OdometerReading:
    """A reported odometer, the time at which it was read, and the version of its event."""

    at: datetime
    km: float
    version: GroupVersion


@dataclass(frozen=True, kw_only=True, slots=True)
class PendingOdometer:
    """A reading that no drive explains: its first report and its newest one, and how many more there were."""

    since: datetime
    at: datetime
    km: float
    count: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class OdometerState:
    """The odometer after some readings. `km` is what follows from them, `raw_km * factor` the newest accepted reading.

    `is_unconfirmed`: there was one reading only, of 0.
    """

    at: datetime
    km: float
    raw_km: float
    factor: float = 1.0
    pending: PendingOdometer | None = None
    is_unconfirmed: bool = False

    @property
    def shown_km(self) -> float | None:
        """What is shown; None while it is unknown."""
        return None if self.is_unconfirmed else self.km


@dataclass(frozen=True, kw_only=True, slots=True)
class OdometerMemory:
    """The state before the window, and the readings in it, in order of time."""

    base: OdometerState | None = None
    readings: tuple[OdometerReading, ...] = ()


def add_readings(memory: OdometerMemory, readings: Iterable[OdometerReading]) -> OdometerMemory:
    """`memory` with more readings, in any order. Those older than the window change nothing.

    Of two readings of one moment the newer version counts.
    """
    by_time = {reading.at: reading for reading in memory.readings}
    for reading in readings:
        if memory.base is not None and reading.at <= memory.base.at:
            continue
        existing = by_time.get(reading.at)
        if existing is None or existing.version < reading.version:
            by_time[reading.at] = reading
    ordered = [by_time[at] for at in sorted(by_time)]
    base = memory.base
    for old in ordered[:-WINDOW]:
        base = advance_odometer(base, old)
    return OdometerMemory(base=base, readings=tuple(ordered[-WINDOW:]))


def derive_odometer(memory: OdometerMemory) -> OdometerState | None:
    """The state after all readings; None without any."""
    state = memory.base
    for reading in memory.readings:
        state = advance_odometer(state, reading)
    return state


def advance_odometer(state: OdometerState | None, reading: OdometerReading) -> OdometerState:
    """The state after a reading, which is newer than those before.

    Some makers' clouds report 0 until they have read the vehicle. So a first 0 needs another reading, and what follows
    zeros needs no drive that explains it.
    """
    if state is None or (state.km == 0 and reading.km > 0):
        is_zero = reading.km == 0
        return OdometerState(at=reading.at, km=reading.km, raw_km=reading.km, is_unconfirmed=is_zero)
    for factor in dict.fromkeys((state.factor, 1.0, KM_PER_MILE, 1 / KM_PER_MILE)):
        accepted = _accept_reading(state, reading, factor)
        if accepted is not None:
            return accepted
    return _hold_reading(state, reading)


def _accept_reading(state: OdometerState, reading: OdometerReading, factor: float) -> OdometerState | None:
    """The state if the reading, times `factor`, follows from the last one; None if it doesn't."""
    km = reading.km * factor
    driven = km - state.raw_km * state.factor
    if not is_possible_drive(driven, reading.at - state.at):
        return None
    if factor != state.factor:
        is_same_value = abs(driven) <= max(MAX_ODOMETER_ROUNDING_KM, km * MAX_UNIT_DEVIATION)
        if not is_same_value or km < MIN_UNIT_KM:
            return None
    shown = round(km, 1) if factor != 1.0 else km
    # A fall of less than 2 km is rounding: an odometer never falls.
    raw_km, raw_factor = (reading.km, factor) if driven > 0 or factor != state.factor else (state.raw_km, state.factor)
    return OdometerState(at=reading.at, km=max(shown, state.km), raw_km=raw_km, factor=raw_factor)


def _hold_reading(state: OdometerState, reading: OdometerReading) -> OdometerState:
    pending = state.pending
    if pending is None or not is_possible_drive(reading.km - pending.km, reading.at - pending.at):
        pending = PendingOdometer(since=reading.at, at=reading.at, km=reading.km)
        return replace(state, pending=pending)
    pending = replace(pending, at=reading.at, km=max(pending.km, reading.km), count=pending.count + 1)
    if pending.count >= CONFIRMATIONS and reading.at - pending.since >= CONFIRMATION_SPAN:
        return OdometerState(at=reading.at, km=reading.km, raw_km=reading.km)
    return replace(state, pending=pending)
