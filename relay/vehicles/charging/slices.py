"""Energy by quarter hour: what a session charged when, so that prices and hours can be applied to it. Pure functions.

The quarter hours of a long session are joined to half hours, then to hours, because they are stored with each vehicle.
Markets price electricity by the quarter hour at the finest (the European day-ahead market since 2025-10-01).
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

SLICE = timedelta(minutes=15)
MAX_SLICES = 200
"""More slices than this are joined in pairs: after two days to half hours, after four to hours."""
MAX_SLICE = timedelta(hours=1)
SLICE_DIGITS = 4
"""Slices are rounded to 0.1 Wh, so that the JSON in which they are stored stays small and reads back unchanged."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TimedEnergy:
    """Energy in kWh that was charged evenly between two moments within a quarter hour."""

    start: datetime
    end: datetime
    kwh: float


@dataclass(frozen=True, kw_only=True, slots=True)
class EnergySlices:
    """The energy measured in consecutive slices of UTC's hours, the first of which begins at `first`.

    Field names are JSON keys in `vehicle_energy.tail` and `vehicle_energy.base`: don't rename them.
    """

    first: datetime | None = None
    kwh: tuple[float, ...] = ()
    minutes: int = SLICE // timedelta(minutes=1)

    @property
    def length(self) -> timedelta:
        """How long each slice is."""
        return timedelta(minutes=self.minutes)

    def add(self, start: datetime, end: datetime, kwh: float) -> EnergySlices:
        """These slices with energy that was charged evenly from `start` to `end`, which are not before the first."""
        if not kwh or end <= start:
            return self
        first = self.first or floor_to_slice(start)
        sums = list(self.kwh)
        for part in spread_evenly(start, end, kwh):
            index = (floor_to_slice(part.start) - first) // self.length
            sums += [0.0] * (index + 1 - len(sums))
            sums[index] = round(sums[index] + part.kwh, SLICE_DIGITS)
        return _join_slices(replace(self, first=first, kwh=tuple(sums)))

    def remove_last(self, kwh: float) -> EnergySlices:
        """These slices without the last `kwh`."""
        if kwh <= 0:
            return self
        sums = list(self.kwh)
        while sums and (kwh > 0 or sums[-1] <= 0):
            removed = min(max(0.0, sums[-1]), kwh)
            kwh -= removed
            sums[-1] = round(sums[-1] - removed, SLICE_DIGITS)
            if kwh > 0 or sums[-1] <= 0:
                sums.pop()
        return replace(self, kwh=tuple(sums)) if sums else NO_SLICES

    @property
    def end(self) -> datetime | None:
        """The end of the last slice."""
        return self.first + len(self.kwh) * self.length if self.first is not None else None

    def distribute(self, start: datetime, end: datetime, kwh: float) -> list[TimedEnergy]:
        """`kwh` of a session from `start` to `end`, distributed in proportion to these slices; evenly without any."""
        # Levels fluctuate, so a slice can be negative.
        weights = [max(0.0, weight) for weight in self.kwh]
        total = sum(weights)
        if not kwh:
            return []
        if not total or self.first is None:
            return list(spread_evenly(start, end if end > start else floor_to_slice(start) + SLICE, kwh))
        parts = []
        for index, weight in enumerate(weights):
            if weight:
                begin = self.first + index * self.length
                span = max(begin, start), min(begin + self.length, end)
                begin, until = span if span[0] < span[1] else (begin, begin + self.length)
                parts.append(TimedEnergy(start=begin, end=until, kwh=kwh * weight / total))
        return parts


NO_SLICES = EnergySlices()


def _join_slices(slices: EnergySlices) -> EnergySlices:
    """The slices, joined in pairs while there are too many."""
    if len(slices.kwh) <= MAX_SLICES or slices.first is None or slices.length >= MAX_SLICE:
        return slices
    first = floor_to_slice(slices.first, 2 * slices.length)
    sums = [0.0] * ((slices.first - first) // slices.length) + list(slices.kwh)
    joined = [round(sum(sums[index : index + 2]), SLICE_DIGITS) for index in range(0, len(sums), 2)]
    return _join_slices(EnergySlices(first=first, kwh=tuple(joined), minutes=2 * slices.minutes))


def floor_to_slice(at: datetime, length: timedelta = SLICE) -> datetime:
    """The start of the quarter hour in UTC, or of another part of an hour."""
    at = at.astimezone(UTC)
    return at.replace(minute=at.minute - at.minute % (length // timedelta(minutes=1)), second=0, microsecond=0)


def spread_evenly(start: datetime, end: datetime, kwh: float) -> Iterator[TimedEnergy]:
    """`kwh` from `start` to a later `end`, cut at quarter hours."""
    begin = start
    while begin < end:
        until = min(floor_to_slice(begin) + SLICE, end)
        yield TimedEnergy(start=begin, end=until, kwh=kwh * ((until - begin) / (end - start)))
        begin = until
