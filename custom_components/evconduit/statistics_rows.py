"""Rows of hourly statistics with running sums. Pure functions."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from .const import DOMAIN

TOLERANCE: Final = 1e-6
"""Differences of sums below it come from floating-point numbers."""


@dataclass(frozen=True, kw_only=True, slots=True)
class StatisticsRow:
    """A value of an hour and the running sum after it."""

    state: float
    sum: float


def create_statistic_ids(vehicle_id: str) -> tuple[str, str]:
    """Return the ids of energy and cost. They must never change, and can't have hyphens."""
    prefix = f"{DOMAIN}:{vehicle_id.replace('-', '').lower()}"
    return f"{prefix}_charge_energy", f"{prefix}_charge_cost"


def merge_rows(
    values: Mapping[datetime, float], before: float, stored: Mapping[datetime, StatisticsRow]
) -> dict[datetime, StatisticsRow]:
    """Return the rows to write, in order: those that differ from what is stored.

    An hour that is stored and has no value any more becomes 0, with the sum of the hour before it.
    """
    rows, total = {}, before
    for start in sorted({*values, *stored}):
        state = values.get(start, 0.0)
        total += state
        current = stored.get(start)
        if current is None or abs(current.state - state) > TOLERANCE or abs(current.sum - total) > TOLERANCE:
            rows[start] = StatisticsRow(state=state, sum=total)
    return rows
