"""A day as it was reported, and a check that failed."""

from collections.abc import Sequence
from dataclasses import dataclass

from tests.oracle.days import Day
from tests.oracle.enode_feed import Arrival
from tests.oracle.faults import NO_FAULT, NOTHING_FAULTED, Fault, Faulted


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A check that failed. `at` is the time in seconds, None for the day as a whole."""

    check: str
    detail: str
    at: float | None = None

    def __str__(self) -> str:
        time = "" if self.at is None else f" at {format_clock(self.at)}"
        return f"{self.check}{time}: {self.detail}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A day as it was reported: with a fault, or without. `honest` are the reports without the fault."""

    day: Day
    honest: Sequence[Arrival]
    arrivals: Sequence[Arrival]
    fault: Fault = NO_FAULT
    faulted: Faulted = NOTHING_FAULTED

    def is_faulty(self, arrival: Arrival) -> bool:
        return arrival.poll in self.faulted.indexes

    def list_with_wrong_times(self) -> list[Arrival]:
        """Reports with times that a fault set."""
        return [
            arrival for arrival in self.arrivals if self.is_faulty(arrival) and self.faulted.polls[arrival.poll].stamps
        ]

    @property
    def is_honest(self) -> bool:
        return self.fault is NO_FAULT


def format_clock(seconds: float) -> str:
    days, rest = divmod(round(seconds), 86_400)
    return f"{f'day {days} ' if days else ''}{rest // 3600:02}:{rest % 3600 // 60:02}:{rest % 60:02}"
