"""Charging sessions as recorded: a proven period with a lasting id, and what its owner says about it."""

from dataclasses import dataclass
from typing import Annotated
from uuid import UUID

from pydantic import Field

from relay.vehicles.charging.periods import ChargingPeriod
from relay.vehicles.charging.slices import TimedEnergy


@dataclass(frozen=True, kw_only=True, slots=True)
class OwnerCorrection:
    """What the owner says about a session. It outlasts later amendments of the session.

    `energy_kwh` replaces the derived energy. A deleted session has no energy, but stays matched with its period, so
    that deriving again doesn't bring it back.
    """

    energy_kwh: float | None = None
    deleted: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class ChargingSession:
    """A proven period and its id. `at_home` is decided once for its place.

    Sums, costs and records read `energy_kwh` of the session, never that of its period, so that `correction` counts.
    Stored as JSON in `vehicle_energy.tail`, where the period's key is `spell`.
    """

    id: UUID
    period: Annotated[ChargingPeriod, Field(alias="spell")]
    at_home: bool | None = None
    correction: OwnerCorrection | None = None

    @property
    def energy_kwh(self) -> float | None:
        """The energy that counts: as corrected by the owner, else as derived. None: unknown, or deleted."""
        if self.correction is None:
            return self.period.energy_kwh
        if self.correction.deleted:
            return None
        return self.period.energy_kwh if self.correction.energy_kwh is None else self.correction.energy_kwh

    def distribute_energy(self) -> list[TimedEnergy]:
        """The energy that counts, by quarter hour: what is priced, and what the hours add up."""
        return self.period.distribute_energy(self.energy_kwh or 0.0)
