"""Corrections by a vehicle's owner: deleted sessions, and sessions whose energy the owner states. Pure functions.

A correction applies to a range of time, because late samples and recomputing move, join and split sessions
(docs/decisions/0022). Within its range it replaces what was derived. What a session charged outside that range still
counts as derived, so that a correction never hides charging that its owner hasn't seen.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Protocol

from relay.vehicles.charging.periods import MAX_PAUSE
from relay.vehicles.charging.slices import SLICE, TimedEnergy, floor_to_slice, spread_evenly

EDGE_TOLERANCE = timedelta(minutes=10)
"""How far a session may extend beyond a correction's range and still be within it.

Late reports move the ends of a session by the time between two reports, and a vehicle that briefly reports to be
unplugged by up to 10 minutes (decision 0022).
"""
MAX_ENERGY_KWH = 1000.0
"""The most energy that an owner can state for a session: above the capacity of any battery on the road."""


class TimeRange(Protocol):
    """A session's period or a correction, as far as their times are concerned."""

    @property
    def started_at(self) -> datetime:
        """Start of the range."""
        ...

    @property
    def ended_at(self) -> datetime:
        """End of the range; equal to its start for a session known from a single report."""
        ...


class DerivedPeriod(TimeRange, Protocol):
    """A session's period with its derived energy; None is unknown."""

    @property
    def energy_kwh(self) -> float | None:
        """Derived energy."""
        ...

    def distribute_energy(self, kwh: float) -> Sequence[TimedEnergy]:
        """`kwh` by quarter hour, as measured."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class OwnerCorrection:
    """What an owner states about a range of time. `energy_kwh` None: the derived energy is right.

    A deleted session keeps the energy that was stated before, for the case that it is restored. Field names are JSON
    keys in `vehicle_energy.tail`: don't rename them.
    """

    started_at: datetime
    ended_at: datetime
    energy_kwh: float | None = None
    deleted: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class CorrectedEnergy:
    """The energy of a session that counts, None if unknown or deleted, and how the owner has changed it."""

    energy_kwh: float | None
    is_corrected: bool = False
    is_deleted: bool = False


def correct_energy(period: DerivedPeriod, corrections: Iterable[OwnerCorrection]) -> CorrectedEnergy:
    """The energy of `period` after its corrections, which `allot_corrections` returned for it."""
    applied = _sort(corrections)
    if not applied:
        return CorrectedEnergy(energy_kwh=period.energy_kwh)
    outside = _list_gaps(period, applied)
    stated = [correction.energy_kwh for correction in applied if not correction.deleted]
    if not stated and not outside:
        return CorrectedEnergy(energy_kwh=None, is_deleted=True)
    derived = [_get_energy_within(period, gap) for gap in outside]
    known = [kwh for kwh in (*stated, *derived) if kwh is not None]
    return CorrectedEnergy(energy_kwh=sum(known) if known else None, is_corrected=True)


def distribute_energy(period: DerivedPeriod, corrections: Iterable[OwnerCorrection]) -> list[TimedEnergy]:
    """The energy that `correct_energy` returns by quarter hour; what is stated in proportion to what was derived."""
    applied = _sort(corrections)
    if not applied:
        return list(period.distribute_energy(period.energy_kwh or 0.0))
    derived = list(period.distribute_energy(period.energy_kwh or 0.0))
    parts = [part for gap in _list_gaps(period, applied) for part in _cut(derived, gap)]
    for correction in applied:
        if correction.energy_kwh and not correction.deleted:
            parts += _distribute_stated(period, derived, correction, correction.energy_kwh)
    return sorted(parts, key=lambda part: part.start)


def allot_corrections(
    periods: Sequence[DerivedPeriod], corrections: Sequence[OwnerCorrection]
) -> list[tuple[OwnerCorrection, ...]]:
    """The corrections of each of `periods`. A stated energy is divided among the periods in its range."""
    allotted: list[list[OwnerCorrection]] = [[] for _ in periods]
    for correction in corrections:
        indexes = [index for index, period in enumerate(periods) if is_overlapping(correction, period)]
        shares = _divide([periods[index] for index in indexes], correction)
        for index, share in zip(indexes, shares, strict=True):
            allotted[index].append(replace(correction, energy_kwh=_scale(correction.energy_kwh, share)))
    return [tuple(own) for own in allotted]


def replace_corrections(
    existing: Iterable[OwnerCorrection], period: TimeRange, new: OwnerCorrection | None
) -> list[OwnerCorrection]:
    """The corrections after `new` (None: nothing) took the place of those in `existing` for the period's time."""
    kept: list[OwnerCorrection] = [new] if new else []
    for correction in existing:
        if not is_overlapping(correction, period):
            kept.append(correction)
            continue
        before = replace(correction, ended_at=min(correction.ended_at, period.started_at))
        after = replace(correction, started_at=max(correction.started_at, period.ended_at))
        kept += [
            replace(part, energy_kwh=_scale(correction.energy_kwh, _get_length(part) / _get_length(correction)))
            for part in (before, after)
            if _get_length(part) > EDGE_TOLERANCE
        ]
    return sorted(kept, key=lambda correction: correction.started_at)


def is_overlapping(one: TimeRange, other: TimeRange) -> bool:
    """Whether both have time in common. A session may begin when another one ends, so touching isn't enough."""
    return one.started_at == other.started_at or (one.started_at < other.ended_at and other.started_at < one.ended_at)


def get_stated_energy(corrections: Iterable[OwnerCorrection]) -> float | None:
    """The energy that these corrections of one session state together, also while it is deleted; None: none."""
    stated = [correction.energy_kwh for correction in corrections if correction.energy_kwh is not None]
    return sum(stated) if stated else None


def _sort(corrections: Iterable[OwnerCorrection]) -> list[OwnerCorrection]:
    return sorted(corrections, key=lambda correction: correction.started_at)


def _list_gaps(period: TimeRange, corrections: Sequence[OwnerCorrection]) -> list[TimedEnergy]:
    """The times of the period outside these ranges, which are in order. Short ones are left out."""
    first, last = corrections[0], corrections[-1]
    edges = [(period.started_at, first.started_at), (last.ended_at, period.ended_at)]
    between = [(before.ended_at, after.started_at) for before, after in pairwise(corrections)]
    return [
        TimedEnergy(start=start, end=end, kwh=0.0)
        for gaps, tolerance in ((edges, EDGE_TOLERANCE), (between, MAX_PAUSE))
        for start, end in gaps
        if end - start > tolerance
    ]


def _get_energy_within(period: DerivedPeriod, gap: TimedEnergy) -> float | None:
    if period.energy_kwh is None:
        return None
    return sum(part.kwh for part in _cut(period.distribute_energy(period.energy_kwh), gap))


def _cut(parts: Iterable[TimedEnergy], span: TimedEnergy) -> list[TimedEnergy]:
    """What of these parts is within the time of `span`. The energy of a part is spread evenly over its time."""
    cut = []
    for part in parts:
        start, end = max(part.start, span.start), min(part.end, span.end)
        if start < end:
            cut.append(TimedEnergy(start=start, end=end, kwh=part.kwh * ((end - start) / (part.end - part.start))))
    return cut


def _distribute_stated(
    period: DerivedPeriod, derived: Sequence[TimedEnergy], correction: OwnerCorrection, kwh: float
) -> list[TimedEnergy]:
    start, end = max(correction.started_at, period.started_at), min(correction.ended_at, period.ended_at)
    within = _cut(derived, TimedEnergy(start=start, end=end, kwh=0.0))
    total = sum(part.kwh for part in within)
    if total:
        return [replace(part, kwh=part.kwh * kwh / total) for part in within]
    return list(spread_evenly(start, end if end > start else floor_to_slice(start) + SLICE, kwh))


def _get_overlap(correction: TimeRange, period: TimeRange) -> timedelta:
    overlap = min(correction.ended_at, period.ended_at) - max(correction.started_at, period.started_at)
    return max(overlap, timedelta())


def _divide(periods: Sequence[DerivedPeriod], correction: OwnerCorrection) -> list[float]:
    """The share of the correction's energy that each period gets: by derived energy, else by time. They sum up to 1."""
    span = TimedEnergy(start=correction.started_at, end=correction.ended_at, kwh=0.0)
    by_energy = [_get_energy_within(period, span) or 0.0 for period in periods]
    by_time = [_get_overlap(correction, period) / timedelta(seconds=1) for period in periods]
    weights = next((weights for weights in (by_energy, by_time) if sum(weights)), [1.0] * len(periods))
    return [weight / sum(weights) for weight in weights]


def _get_length(correction: TimeRange) -> timedelta:
    return correction.ended_at - correction.started_at


def _scale(energy_kwh: float | None, share: float) -> float | None:
    return None if energy_kwh is None else energy_kwh * share
