"""Energy by quarter hour: what a session charged when, so that prices and hours can be applied to it. Pure functions.

Markets price electricity by the quarter hour at the finest (the European day-ahead market since 2025-10-01).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

SLICE = timedelta(minutes=15)
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
    """The energy measured in consecutive quarter hours of UTC, the first of which begins at `first`.

    Field names are JSON keys in `vehicle_energy.tail` and `vehicle_energy.base`: don't rename them.
    """

    first: datetime | None = None
    kwh: tuple[float, ...] = ()

    def add(self, start: datetime, end: datetime, kwh: float) -> EnergySlices:
        """These slices with energy that was charged evenly from `start` to `end`, which are not before the first."""
        if not kwh or end <= start:
            return self
        first = self.first or floor_to_slice(start)
        sums = list(self.kwh)
        for part in spread_evenly(start, end, kwh):
            index = (floor_to_slice(part.start) - first) // SLICE
            sums += [0.0] * (index + 1 - len(sums))
            sums[index] = round(sums[index] + part.kwh, SLICE_DIGITS)
        return EnergySlices(first=first, kwh=tuple(sums))

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
        return EnergySlices(first=self.first, kwh=tuple(sums)) if sums else NO_SLICES

    @property
    def end(self) -> datetime | None:
        """The end of the last slice."""
        return self.first + len(self.kwh) * SLICE if self.first is not None else None

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
                begin = self.first + index * SLICE
                span = max(begin, start), min(begin + SLICE, end)
                begin, until = span if span[0] < span[1] else (begin, begin + SLICE)
                parts.append(TimedEnergy(start=begin, end=until, kwh=kwh * weight / total))
        return parts


NO_SLICES = EnergySlices()


def floor_to_slice(at: datetime) -> datetime:
    """The start of the quarter hour in UTC."""
    at = at.astimezone(UTC)
    return at.replace(minute=at.minute - at.minute % 15, second=0, microsecond=0)


def spread_evenly(start: datetime, end: datetime, kwh: float) -> Iterator[TimedEnergy]:
    """`kwh` from `start` to a later `end`, cut at quarter hours."""
    begin = start
    while begin < end:
        until = min(floor_to_slice(begin) + SLICE, end)
        yield TimedEnergy(start=begin, end=until, kwh=kwh * ((until - begin) / (end - start)))
        begin = until
