"""Charging sessions as recorded: a proven period with a lasting id, and its owner's corrections."""

from dataclasses import dataclass
from typing import Annotated
from uuid import UUID

from pydantic import Field

from relay.vehicles.charging.owner_corrections import (
    CorrectedEnergy,
    OwnerCorrection,
    correct_energy,
    distribute_energy,
)
from relay.vehicles.charging.periods import ChargingPeriod
from relay.vehicles.charging.slices import TimedEnergy


@dataclass(frozen=True, kw_only=True, slots=True)
class ChargingSession:
    """A proven period and its id. `at_home` is decided once for its place.

    `corrections` are its owner's. Sums, costs and records read `energy_kwh` of the session, never that of its period,
    so that they count. Stored as JSON in `vehicle_energy.tail`, where the period's key is `spell`.
    """

    id: UUID
    period: Annotated[ChargingPeriod, Field(alias="spell")]
    at_home: bool | None = None
    corrections: tuple[OwnerCorrection, ...] = ()

    @property
    def energy(self) -> CorrectedEnergy:
        """The energy that counts, and how the owner has changed it."""
        return correct_energy(self.period, self.corrections)

    @property
    def energy_kwh(self) -> float | None:
        """The energy that counts: as corrected by the owner, else as derived. None: unknown, or deleted."""
        return self.energy.energy_kwh

    @property
    def visible_values(self) -> tuple[object, ...]:
        """What users see of it in a vehicle's record, without its cost, which follows from the energy."""
        period, energy_kwh = self.period, self.energy_kwh
        ended_at = None if period.open else period.ended_at
        shown_kwh = None if energy_kwh is None else round(energy_kwh, 3)
        return self.id, period.started_at, ended_at, shown_kwh, *period.levels, self.at_home

    def distribute_energy(self) -> list[TimedEnergy]:
        """The energy that counts, by quarter hour: what is priced, and what the hours add up."""
        return distribute_energy(self.period, self.corrections)
