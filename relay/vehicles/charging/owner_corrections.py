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
    applied = sorted(corrections, key=lambda correction: correction.started_at)
    if not applied:
        return CorrectedEnergy(energy_kwh=period.energy_kwh)
    outside = _get_share_outside(period, applied)
    stated = [correction.energy_kwh for correction in applied if not correction.deleted]
    if not stated and not outside:
        return CorrectedEnergy(energy_kwh=None, is_deleted=True)
    known = [kwh for kwh in (*stated, _scale(period.energy_kwh, outside) if outside else None) if kwh is not None]
    return CorrectedEnergy(energy_kwh=sum(known) if known else None, is_corrected=True)


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
    """The corrections after `new` (None: nothing) took the place of what `existing` say about the period's time."""
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


def _get_share_outside(period: TimeRange, corrections: Sequence[OwnerCorrection]) -> float:
    """The share of the period's time outside these ranges, which are in order: 0 to 1. Short gaps are ignored."""
    first, last = corrections[0], corrections[-1]
    edges = [first.started_at - period.started_at, period.ended_at - last.ended_at]
    between = [after.started_at - before.ended_at for before, after in pairwise(corrections)]
    outside = sum(
        (
            *(gap for gap in edges if gap > EDGE_TOLERANCE),
            *(gap for gap in between if gap > MAX_PAUSE),
        ),
        timedelta(),
    )
    return outside / (period.ended_at - period.started_at) if outside else 0.0


def _get_overlap(correction: TimeRange, period: TimeRange) -> timedelta:
    overlap = min(correction.ended_at, period.ended_at) - max(correction.started_at, period.started_at)
    return max(overlap, timedelta())


def _divide(periods: Sequence[DerivedPeriod], correction: OwnerCorrection) -> list[float]:
    """The share of the correction's energy that each period gets: by derived energy, else by time. They sum up to 1."""
    by_time = [_get_overlap(correction, period) / timedelta(seconds=1) for period in periods]
    by_energy = [
        (period.energy_kwh or 0.0) * seconds / ((period.ended_at - period.started_at) / timedelta(seconds=1) or 1.0)
        for period, seconds in zip(periods, by_time, strict=True)
    ]
    weights = next((weights for weights in (by_energy, by_time) if sum(weights)), [1.0] * len(periods))
    return [weight / sum(weights) for weight in weights]


def _get_length(correction: TimeRange) -> timedelta:
    return correction.ended_at - correction.started_at


def _scale(energy_kwh: float | None, share: float) -> float | None:
    return None if energy_kwh is None else energy_kwh * share
