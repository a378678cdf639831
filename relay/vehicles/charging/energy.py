"""The energy charged between two samples, from the reported power or from the rise of the level. Pure functions."""

from dataclasses import dataclass
from datetime import timedelta

from relay.vehicles.charging.samples import ChargingSample

MAX_POWER_HOLD = timedelta(minutes=30)
"""How long a reported power is assumed to continue; over a longer silence the charge level measures better."""


@dataclass(frozen=True, kw_only=True, slots=True)
class MeasuredEnergy:
    """Energy measured by power over time, or by capacity times rise of the level. None: not measured that way."""

    power_kwh: float | None = None
    soc_kwh: float | None = None


def measure_energy(last: ChargingSample, now: ChargingSample) -> MeasuredEnergy:
    """The energy charged between the samples `last` and `now`."""
    duration = now.at - last.at
    rise, capacity = get_soc_rise(last, now), now.reading.capacity_kwh
    level_kwh = capacity * rise / 100 if capacity and rise is not None else None
    power = get_power_kw(last) or (get_power_kw(now) if last.reading.charging else None)
    if power and (duration <= MAX_POWER_HOLD or (level_kwh is None and now.reading.charging)):
        return MeasuredEnergy(power_kwh=power * (duration / timedelta(hours=1)))
    return MeasuredEnergy(soc_kwh=level_kwh or None)


def add_energy(total_kwh: float | None, more_kwh: float | None) -> float | None:
    """The sum; None when neither was measured."""
    return total_kwh if more_kwh is None else (total_kwh or 0.0) + more_kwh


def get_soc_rise(last: ChargingSample, now: ChargingSample) -> float | None:
    """Percentage points by which the level rose between two samples; None when they can't be compared."""
    if now.reading.rebased:
        return None
    before, after = last.reading.soc, now.reading.soc
    return None if before is None or after is None else after - before


def get_power_kw(sample: ChargingSample) -> float | None:
    """The charging power; None while not charging."""
    return sample.reading.power_kw if sample.reading.charging else None
