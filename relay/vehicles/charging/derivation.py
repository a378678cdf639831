"""Derive periods of charging from a vehicle's samples, one sample at a time (docs/decisions/0012). Pure functions.

The state after a sample depends only on the state before it and on that sample. So the newest sample is processed
without reading older ones, a late sample reprocesses all that are kept, and old samples can be deleted once they are
part of the state from which the others start.

A charge state is assumed to last until the next sample, because Enode sends nothing while nothing changes, unless the
charge level proves otherwise.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Annotated

from pydantic import Field

from relay.vehicles.charging.energy import MAX_POWER_HOLD, get_soc_rise
from relay.vehicles.charging.periods import (
    MIN_RISE_PLUGGED_IN,
    ChargingPeriod,
    apply_sample,
    extend_period,
    resume_period,
    start_period,
)
from relay.vehicles.charging.samples import ChargingSample
from relay.vehicles.plausibility.stage import PlausibilityMemory

MAX_GAP = timedelta(hours=8)
"""The longest time between two samples from which anything is concluded."""
MIN_RISE_UNPLUGGED = 5.0
"""Percentage points by which the level must rise between two samples without a plug to prove that it charged."""
MIN_FALL = 2.0
"""Percentage points of a fall that proves it did not charge; a battery at rest fluctuates by less."""


@dataclass(frozen=True, kw_only=True, slots=True)
class DerivationState:
    """All that processing the next sample needs: the last sample, its unknowns filled in, and the newest period.

    Stored as JSON in `vehicle_energy.tail` and `vehicle_energy.base`, where the period's key is `spell`. `plausibility`
    is what the stage before this one keeps; the derivation itself doesn't use it.
    """

    last: ChargingSample | None = None
    period: Annotated[ChargingPeriod | None, Field(alias="spell")] = None
    plausibility: PlausibilityMemory = field(default_factory=PlausibilityMemory)


def advance_state(state: DerivationState, sample: ChargingSample) -> DerivationState:
    """The state after `sample`, which must be newer than `state.last`."""
    last = state.last
    if last is None:
        return DerivationState(last=sample, period=start_period(sample, sample) if sample.reading.charging else None)
    now = _fill_unknowns(last, sample)
    return DerivationState(last=now, period=_advance_period(state.period, last, now))


def iterate_states(state: DerivationState, samples: Iterable[ChargingSample]) -> Iterator[DerivationState]:
    """The states after each of `samples`, which must be in order of time and newer than `state.last`."""
    for sample in samples:
        state = advance_state(state, sample)
        yield state


def derive_periods(
    start: DerivationState, samples: Iterable[ChargingSample]
) -> tuple[list[ChargingPeriod], DerivationState]:
    """The proven periods from the newest one of `start` on, in order, and the state after the last of `samples`."""
    state = start
    periods = [start.period] if start.period else []
    for state in iterate_states(start, samples):
        if state.period is None:
            continue
        if periods and periods[-1].started_at == state.period.started_at:
            periods[-1] = state.period
        else:
            periods = [*(replace(period, open=False) for period in periods), state.period]
    return [period for period in periods if period.is_proven], state


def _advance_period(period: ChargingPeriod | None, last: ChargingSample, now: ChargingSample) -> ChargingPeriod | None:
    if _has_charged(last, now):
        place_sample = last if last.reading.charging or last.reading.plugged_in else now
        period = resume_period(period, last) or start_period(last, place_sample)
        period = extend_period(period, last, now)
    elif now.reading.charging:
        period = resume_period(period, now) or start_period(now, now)
    return period and apply_sample(period, now)


def _has_charged(last: ChargingSample, now: ChargingSample) -> bool:
    """Whether the vehicle charged between two samples."""
    gap = now.at - last.at
    if gap > MAX_GAP:
        return False
    rise = get_soc_rise(last, now)
    if last.reading.charging:
        if rise is not None and rise <= -MIN_FALL:
            return False
        return gap <= MAX_POWER_HOLD or now.reading.charging is True or (rise is not None and rise > 0)
    plugged_in = bool(last.reading.plugged_in or now.reading.plugged_in)
    return rise is not None and rise >= (MIN_RISE_PLUGGED_IN if plugged_in else MIN_RISE_UNPLUGGED)


def _fill_unknowns(last: ChargingSample, now: ChargingSample) -> ChargingSample:
    """`now` with its unknown values taken from `last`; after a gap over MAX_GAP only the capacity is."""
    before, after = last.reading, now.reading
    if now.at - last.at > MAX_GAP:
        return replace(now, reading=replace(after, capacity_kwh=after.capacity_kwh or before.capacity_kwh))
    is_unknown = after.charging is None
    return replace(
        now,
        reading=replace(
            after,
            charging=before.charging if is_unknown else after.charging,
            plugged_in=before.plugged_in if after.plugged_in is None else after.plugged_in,
            soc=before.soc if after.soc is None else after.soc,
            power_kw=before.power_kw if is_unknown else after.power_kw,
            capacity_kwh=after.capacity_kwh or before.capacity_kwh,
        ),
    )
