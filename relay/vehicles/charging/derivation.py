"""Derive periods of charging from a vehicle's samples, one sample at a time (docs/decisions/0012). Pure functions.

The state after a sample depends only on the state before it and on that sample. So the newest sample is processed
without reading older ones, a late sample reprocesses all that are kept, and old samples can be deleted once they are
part of the state from which the others start.

A charge state is assumed to last until the next sample, because Enode sends nothing while nothing changes, unless the
charge level proves otherwise.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Annotated

from pydantic import Field

from relay.vehicles.charging.energy import (
    MAX_POWER_EXCESS,
    MAX_POWER_HOLD,
    UNKNOWN_STEP,
    get_power_kw,
    get_soc_rise,
)
from relay.vehicles.charging.evidence import MAX_SILENCE, get_min_rise, has_moved
from relay.vehicles.charging.period_faults import is_taken_back, shift_level, take_back
from relay.vehicles.charging.period_growth import (
    add_late_rise,
    apply_sample,
    extend_period,
    find_late_rise,
    resume_period,
    update_plug,
)
from relay.vehicles.charging.periods import ChargingPeriod, SessionKind, start_period, view_sample
from relay.vehicles.charging.samples import ChargingSample
from relay.vehicles.plausibility.stage import PlausibilityMemory

MAX_GAP = timedelta(hours=8)
"""The longest time between two samples over which a reported state is assumed to last."""
MIN_AC_KW = 1.4
"""The least power of an AC charger: 6 A at 230 V (IEC 61851)."""
MIN_FALL = 2.0
"""Percentage points of a fall that proves it did not charge; a battery at rest fluctuates by less."""


type Moment = tuple[datetime, Sequence[ChargingPeriod]]
"""The time of a sample, and the periods after it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class DerivationState:
    """All that processing the next sample needs: the last sample, its unknowns filled in, and the newest period.

    Stored as JSON in `vehicle_energy.tail` and `vehicle_energy.base`, where the period's key is `spell`. `plausibility`
    is what the stage before this one keeps; the derivation itself doesn't use it.
    """

    last: ChargingSample | None = None
    period: Annotated[ChargingPeriod | None, Field(alias="spell")] = None
    plausibility: PlausibilityMemory = field(default_factory=PlausibilityMemory)
    # A period that the last sample both extended and replaced by `period`. Not stored: later samples don't need it.
    replaced: Annotated[ChargingPeriod | None, Field(exclude=True)] = field(default=None, compare=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class Derivation:
    """What follows from the samples after a starting point.

    `history` has the periods as they were after each sample from the last settled one on, and is empty if only one
    sample was added: then the counts before are remembered.
    """

    state: DerivationState
    periods: Sequence[ChargingPeriod]
    history: Sequence[Moment] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class _Interval:
    """Two consecutive samples, as a period of the kind that can lie between them sees them.

    `is_level_known`: `now` reported a level, and doesn't only have that of `last`. `assumed_kw`: see extend_period.
    """

    kind: SessionKind
    last: ChargingSample
    now: ChargingSample
    is_level_known: bool
    assumed_kw: float | None = None


def advance_state(state: DerivationState, sample: ChargingSample) -> DerivationState:
    """The state after `sample`, which must be newer than `state.last`."""
    last = state.last
    if last is None:
        kind = _get_kind(sample)
        first = view_sample(kind, sample) if kind else sample
        return replace(state, last=sample, period=start_period(first, first, kind) if kind else None, replaced=None)
    now = _fill_unknowns(last, sample)
    replaced, period = _advance_period(state.period, last, now, is_level_known=sample.reading.soc is not None)
    return replace(state, last=now, period=period, replaced=replaced)


def iterate_states(state: DerivationState, samples: Iterable[ChargingSample]) -> Iterator[DerivationState]:
    """The states after each of `samples`, which must be in order of time and newer than `state.last`."""
    for sample in samples:
        state = advance_state(state, sample)
        yield state


def derive(start: DerivationState, samples: Sequence[ChargingSample], *, keep: timedelta) -> Derivation:
    """What follows from `samples`, in order of time, and what followed before those of the last `keep`."""
    state, periods, history = start, [start.period] if start.period else [], deque[Moment]()
    for sample, (state, periods) in zip(samples, iterate_periods(start, samples), strict=True):  # noqa: B007 - see below
        history.append((sample.at, periods))
        if len(history) > 1 and history[1][0] <= samples[-1].at - keep:
            history.popleft()
    return Derivation(
        state=state,
        periods=[period for period in periods if period.is_proven],
        history=tuple(history) if len(samples) > 1 else (),
    )


def iterate_periods(
    start: DerivationState, samples: Iterable[ChargingSample]
) -> Iterator[tuple[DerivationState, list[ChargingPeriod]]]:
    """The states after each of `samples`, and all periods up to then, proven or not, from the newest of `start` on."""
    periods = [start.period] if start.period else []
    for state in iterate_states(start, samples):
        for period in (state.replaced, state.period):
            if period is not None:
                periods = _put_period(periods, period)
        yield state, periods


def _put_period(periods: list[ChargingPeriod], period: ChargingPeriod) -> list[ChargingPeriod]:
    if periods and (periods[-1].kind, periods[-1].started_at) == (period.kind, period.started_at):
        return [*periods[:-1], period]
    return [*(replace(earlier, open=False) if earlier.open else earlier for earlier in periods), period]


def _advance_period(
    period: ChargingPeriod | None, last: ChargingSample, now: ChargingSample, *, is_level_known: bool
) -> tuple[ChargingPeriod | None, ChargingPeriod | None]:
    """The newest period after `now`, and the one before if that was both extended and replaced."""
    settled = period and _settle(period, last, now)
    kind: SessionKind = "discharge" if last.reading.discharging else "charge"
    own = settled if settled and settled.kind == kind else None
    interval = _Interval(
        kind=kind, last=view_sample(kind, last), now=view_sample(kind, now), is_level_known=is_level_known
    )
    if own and period and period.left_at and not own.left and own.ended_at == last.at:
        interval = replace(interval, assumed_kw=_find_flicker_power(interval.last, interval.now))
    extended = _extend(own, interval)
    newest = extended or settled
    kind_now = _get_kind(now)
    if kind_now and not (extended and extended.kind == kind_now):
        own = newest if newest and newest.kind == kind_now else None
        start = view_sample(kind_now, now)
        following = resume_period(own, start) or _start_before(kind_now, view_sample(kind_now, last), start, own)
        return extended and _apply(extended, last, now), _apply(following, last, now)
    return None, newest and _apply(newest, last, now)


def _extend(own: ChargingPeriod | None, interval: _Interval) -> ChargingPeriod | None:
    """The period of charging in the interval, a new one or `own` extended; None when it didn't charge."""
    last, now = interval.last, interval.now
    late_rise = find_late_rise(own, last, now)
    if own and late_rise:
        return add_late_rise(own, late_rise)
    if not interval.assumed_kw and not _has_charged(interval.kind, last, now):
        return None
    place_sample = last if last.reading.charging or last.reading.plugged_in else now
    period = resume_period(own, last) or start_period(last, place_sample, interval.kind)
    return extend_period(period, last, now, is_level_known=interval.is_level_known, assumed_kw=interval.assumed_kw)


def _start_before(
    kind: SessionKind, last: ChargingSample, now: ChargingSample, own: ChargingPeriod | None
) -> ChargingPeriod:
    """A new period that starts with `now`, or with the sample before if the level rose since."""
    rise = get_soc_rise(last, now)
    is_late = own is not None and rise is not None and own.check.explains(rise)
    gap = now.at - last.at
    is_plugged_in = last.reading.plugged_in is True
    if not rise or rise < 0 or is_late or gap > (MAX_GAP if is_plugged_in else MAX_POWER_HOLD):
        return start_period(now, now, kind)
    if has_moved(last.place, now.place):
        return start_period(now, now, kind)
    # Enode sends nothing while nothing changes: the level rose at the end of a long interval.
    first = last if gap <= MAX_POWER_HOLD else replace(last, at=now.at - MAX_POWER_HOLD)
    return extend_period(start_period(first, last if is_plugged_in else now, kind), first, now)


def _settle(period: ChargingPeriod, last: ChargingSample, now: ChargingSample) -> ChargingPeriod:
    """`period` after what `now` shows about the samples before."""
    seen = view_sample(period.kind, last), view_sample(period.kind, now)
    if period.kind == "charge" and is_taken_back(period, last, now):
        return take_back(period)
    period = update_plug(period, *seen)
    return shift_level(period, *seen) if now.reading.rebased else period


def _apply(period: ChargingPeriod, last: ChargingSample, now: ChargingSample) -> ChargingPeriod:
    return apply_sample(period, view_sample(period.kind, now), view_sample(period.kind, last))


def _get_kind(sample: ChargingSample) -> SessionKind | None:
    """The kind of a period that `sample` is part of; None while idle."""
    if sample.reading.discharging:
        return "discharge"
    return "charge" if sample.reading.charging else None


def _has_charged(kind: SessionKind, last: ChargingSample, now: ChargingSample) -> bool:
    """Whether the vehicle charged, or discharged, between two samples."""
    gap, rise = now.at - last.at, get_soc_rise(last, now)
    if last.reading.charging and gap <= MAX_GAP:
        if rise is not None and rise <= -MIN_FALL:
            return False
        if kind == "discharge" and gap > MAX_POWER_HOLD and has_moved(last.place, now.place):
            return False  # driving lowers the level, too
        is_short = gap <= max(MAX_POWER_HOLD, _get_slowest_step(now))
        return is_short or now.reading.charging is True or (rise is not None and rise > 0)
    if kind == "discharge" or gap > MAX_SILENCE or rise is None:
        return False
    min_rise = get_min_rise(last, now)
    return min_rise is not None and rise >= min_rise


def _get_slowest_step(now: ChargingSample) -> timedelta:
    """How long the level of a vehicle that charges as slowly as possible may stay the same; 0 if that isn't known."""
    capacity, step = now.reading.capacity_kwh, now.reading.step
    return timedelta(hours=capacity * step / 100 / MIN_AC_KW) if capacity and step else timedelta()


def _find_flicker_power(last: ChargingSample, now: ChargingSample) -> float | None:
    """The power at which the vehicle charged while it was reported unplugged; None if the level disagrees."""
    power, rise, reading = get_power_kw(now), get_soc_rise(last, now), now.reading
    if power is None or rise is None or reading.capacity_kwh is None:
        return None
    limit_kwh = (max(0.0, rise) + (reading.step or UNKNOWN_STEP)) * reading.capacity_kwh / 100 * MAX_POWER_EXCESS
    return power if power * ((now.at - last.at) / timedelta(hours=1)) <= limit_kwh else None


def _fill_unknowns(last: ChargingSample, now: ChargingSample) -> ChargingSample:
    """`now` with its unknown values taken from `last`; after a gap over MAX_GAP only those of the battery are."""
    before, after = last.reading, now.reading
    capacity, step = after.capacity_kwh or before.capacity_kwh, after.step or before.step
    if now.at - last.at > MAX_GAP:
        return replace(now, reading=replace(after, capacity_kwh=capacity, step=step))
    is_unknown = after.charging is None and after.discharging is None
    return replace(
        now,
        reading=replace(
            after,
            charging=before.charging if is_unknown else after.charging,
            discharging=before.discharging if is_unknown else after.discharging,
            plugged_in=before.plugged_in if after.plugged_in is None else after.plugged_in,
            soc=before.soc if after.soc is None else after.soc,
            power_kw=before.power_kw if is_unknown else after.power_kw,
            discharge_kw=before.discharge_kw if is_unknown else after.discharge_kw,
            capacity_kwh=capacity,
            step=step,
        ),
    )
