"""Reported levels with what decides whether the next one is possible. Pure functions."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from relay.vehicles.plausibility.movement import Position
from relay.vehicles.plausibility.raw_samples import ASSUMED_STEP, CHARGING, DISCHARGING, ChargeMembers

UNKNOWN_CAPACITY_KWH = 10.0
"""Assumed where the capacity is unknown: that of a plug-in hybrid, so that its true falls pass."""
COARSE_STEP = 5.0
"""Some vendors report multiples of five."""
COARSE_STEPS = (COARSE_STEP, 2.0)
"""Steps that two levels may show before the vehicle's own step is known: both are multiples of it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LevelPoint:
    """A reported level with what decides whether the next one is possible."""

    at: datetime
    level: float
    range_km: float | None = None
    capacity: float | None = None
    rate: float | None = None
    state: str | None = None
    # Whether the vehicle reports that it charges, that it discharges.
    charging: bool = False
    discharging: bool = False
    position: Position = field(repr=False)


def make_point(charge: ChargeMembers, position: Position) -> LevelPoint | None:
    """The point of a report; None if its level is unknown."""
    if charge.level is None:
        return None
    is_discharging = charge.state == DISCHARGING or (charge.rate is not None and charge.rate < 0)
    return LevelPoint(
        at=position.at,
        level=charge.level,
        range_km=charge.range_km,
        capacity=charge.capacity,
        rate=charge.rate,
        state=charge.state,
        charging=not is_discharging and (charge.state == CHARGING or charge.charging is True),
        discharging=is_discharging,
        position=position,
    )


def get_slack(before: LevelPoint, after: LevelPoint, step: float | None) -> float:
    """One step of the level, because a rounded level changes by a whole step at once."""
    if step is not None:
        return min(step, COARSE_STEP)
    levels = (before.level, after.level)
    return next((coarse for coarse in COARSE_STEPS if not any(level % coarse for level in levels)), ASSUMED_STEP)


def get_capacity(before: LevelPoint, after: LevelPoint) -> float:
    """The battery's capacity in kWh, a small one where it is unknown."""
    return after.capacity or before.capacity or UNKNOWN_CAPACITY_KWH


def get_minutes(before: LevelPoint, after: LevelPoint) -> float:
    """The minutes between two reports."""
    return (after.at - before.at) / timedelta(minutes=1)


def get_percent(energy_kwh: float, capacity_kwh: float) -> float:
    """Percentage points by which this energy changes the level."""
    return energy_kwh / capacity_kwh * 100
