"""Periods in which the level turned out to be wrong: what seemed to be charged is taken back. Pure functions."""

from dataclasses import replace
from datetime import timedelta

from relay.vehicles.charging.energy import get_power_kw
from relay.vehicles.charging.evidence import MIN_RISE_PLUGGED_IN, has_moved
from relay.vehicles.charging.periods import ChargingPeriod
from relay.vehicles.charging.samples import ChargingSample
from relay.vehicles.charging.slices import NO_SLICES

MAX_RETURN_DIFFERENCE = 5.0
"""Percentage points around the level at which a period began that count as a return; the vehicle may have used some."""


def is_taken_back(period: ChargingPeriod, last: ChargingSample, now: ChargingSample) -> bool:
    """Whether the level fell back, as after a fault, to where a period began that only the level proves."""
    if not now.reading.rebased or period.open or period.peak_kw is not None:
        return False
    before, after, start, end = last.reading.soc, now.reading.soc, period.soc_start, period.soc_end
    if before is None or after is None or start is None or end is None:
        return False
    is_explained = period.left or has_moved(period.place, now.place)
    if is_explained and not now.reading.returned:
        return False  # it was unplugged and driven
    return abs(before - end) <= MIN_RISE_PLUGGED_IN and abs(after - start) <= MAX_RETURN_DIFFERENCE


def take_back(period: ChargingPeriod) -> ChargingPeriod:
    """`period` without anything that proves it."""
    return replace(period, charged=timedelta(), soc_end=period.soc_start, soc_kwh=None, slices=NO_SLICES)


def shift_level(period: ChargingPeriod, last: ChargingSample, now: ChargingSample) -> ChargingPeriod:
    """`period` when the level at `now` can't be compared with that at `last`."""
    before, after = last.reading.soc, now.reading.soc
    # After charging, the level has had its time to show it.
    check = period.check.forget_unseen(get_power_kw(last) or 0.0) if last.reading.charging else period.check
    if before is None or after is None or period.soc_end is None:
        return replace(period, check=check)
    jump = after - before
    period = replace(period, check=check, soc_end=period.soc_end + jump)
    if now.reading.returned and jump < 0 and period.soc_kwh:
        return _remove_fault(period, -jump * (now.reading.capacity_kwh or 0.0) / 100)
    return replace(period, jumped=period.jumped + jump)


def _remove_fault(period: ChargingPeriod, kwh: float) -> ChargingPeriod:
    """`period` without the energy that the level showed last, because the rise was a fault."""
    removed = min(max(0.0, kwh), period.soc_kwh or 0.0)
    slices = period.slices.remove_last(removed)
    return replace(
        period,
        soc_kwh=(period.soc_kwh or 0.0) - removed,
        ended_at=min(period.ended_at, slices.end or period.ended_at),
        estimated=True,
        slices=slices,
    )
