"""Periods of charging or discharging. Pure functions; period_growth.py has how they grow with each sample.

A period that is proven to be real becomes a charging session (docs/decisions/0012, 0021). The functions know charging
only: samples of a discharging vehicle are passed through `view_sample`, which mirrors them.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

from relay.vehicles.charging.energy import (
    NO_CHECK,
    PowerCheck,
    get_power_kw,
)
from relay.vehicles.charging.evidence import MIN_RISE_PLUGGED_IN
from relay.vehicles.charging.samples import UNKNOWN_PLACE, ChargingSample, VehiclePlace
from relay.vehicles.charging.slices import NO_SLICES, EnergySlices, TimedEnergy

MAX_PAUSE = timedelta(minutes=30)
"""The longest pause within one plug-in that doesn't end a session."""
MAX_UNPLUGGED = timedelta(minutes=10)
"""How long one *unplugged* reading of a vehicle that didn't move may last without ending the plug-in: a few vendors
report it for a moment when charging starts, stops or is full."""
MAX_UNPLUGGED_UNSEEN = timedelta(minutes=3)
"""The same for a vehicle without a place, which may have been driven meanwhile."""
MAX_DURATION = timedelta(days=7)
"""The longest session; charging that goes on is another one. Even 6 A fill the largest battery within a week."""
MAX_LATENESS = timedelta(hours=8)
"""How late a level may show what was charged; a vehicle that sleeps after charging reports it when it wakes up."""
MIN_UNMEASURED_DURATION = timedelta(minutes=10)
"""How long a vehicle that reports neither power nor level must charge before it counts as a session."""
MIN_FLAT_DURATION = timedelta(minutes=30)
"""How long a level may stay flat before a power that would have raised it proves nothing."""
MIN_FLAT_ROOM = 5.0
"""Percentage points below 100 from which on a level is expected to rise; a full battery is balanced for hours."""

type SessionKind = Literal["charge", "discharge"]
type EnergySource = Literal["power", "soc", "mixed", "none"]


@dataclass(frozen=True, kw_only=True, slots=True)
class ChargingPeriod:
    """Charging within one plug-in. It counts as a session once it `is_proven`: parked vehicles claim to charge.

    A period of discharging is stored mirrored: as if the empty part of the battery were charged. Field names are JSON
    keys in `vehicle_energy.tail` and `vehicle_energy.base`: don't rename them, and give new ones a default.
    """

    started_at: datetime
    ended_at: datetime
    # Whether the vehicle was charging at the newest sample.
    open: bool
    # Time spent charging, without pauses.
    charged: timedelta = timedelta()
    soc_start: float | None = None
    soc_end: float | None = None
    # Energy measured by power over time, and by capacity times rise of the level. None: not measured that way.
    power_kwh: float | None = None
    soc_kwh: float | None = None
    peak_kw: float | None = None
    place: VehiclePlace = UNKNOWN_PLACE
    # True once the vehicle was unplugged: later charging is another session.
    left: bool = False
    kind: SessionKind = "charge"
    # The time of a single *unplugged* reading that the next sample confirms or refutes.
    left_at: datetime | None = None
    # Percentage points by which the level jumped between readings that can't be compared.
    jumped: float = 0.0
    # Some of the energy was taken from the level over a long gap, or no report shows that the vehicle charged.
    estimated: bool = False
    # It lasted while neither power nor level was reported. A level that is known later doesn't disprove that.
    unmeasured: bool = False
    check: PowerCheck = NO_CHECK
    slices: EnergySlices = NO_SLICES

    @property
    def soc_gain(self) -> float:
        """Percentage points gained."""
        return 0.0 if self.soc_start is None or self.soc_end is None else self.soc_end - self.soc_start - self.jumped

    @property
    def levels(self) -> tuple[float | None, float | None]:
        """The level in percent at the start and at the end."""
        return view_level(self.kind, self.soc_start), view_level(self.kind, self.soc_end)

    @property
    def is_proven(self) -> bool:
        """Whether it is a session: power was reported, the level rose, or it lasted while neither is reported."""
        if not self.open and not self.charged:
            return False
        has_power = self.peak_kw is not None and (self.open or not self._is_disproved_by_flat_level)
        return has_power or self.soc_gain >= MIN_RISE_PLUGGED_IN or self._is_long_unmeasured

    @property
    def energy_kwh(self) -> float | None:
        """Energy added to the battery, or taken from it, never negative; None when nothing measures it."""
        if self.power_kwh is None and self.soc_kwh is None:
            return None
        return max(0.0, (self.power_kwh or 0.0) - self._excess_kwh + (self.soc_kwh or 0.0))

    @property
    def energy_source(self) -> EnergySource:
        """How the energy was measured."""
        if self.power_kwh is None:
            return "none" if self.soc_kwh is None else "soc"
        if self._excess_kwh and self.power_kwh <= self.check.kwh:
            return "soc"
        return "power" if self.soc_kwh is None and not self._excess_kwh else "mixed"

    @property
    def is_estimated(self) -> bool:
        """Whether the level replaced power, or no report shows that the vehicle charged."""
        return self.estimated or self._excess_kwh > 0

    def distribute_energy(self, kwh: float) -> list[TimedEnergy]:
        """`kwh` by quarter hour, as measured."""
        return self.slices.distribute(self.started_at, self.ended_at, kwh)

    @property
    def _is_long_unmeasured(self) -> bool:
        return self.unmeasured or (self.soc_start is None and self.charged >= MIN_UNMEASURED_DURATION)

    @property
    def _excess_kwh(self) -> float:
        return self.check.open_excess_kwh if self.open else self.check.excess_kwh

    @property
    def _is_disproved_by_flat_level(self) -> bool:
        has_room = self.soc_end is not None and self.soc_end <= 100 - MIN_FLAT_ROOM
        return self.check.is_flat and has_room and self.charged >= MIN_FLAT_DURATION


def view_sample(kind: SessionKind, sample: ChargingSample) -> ChargingSample:
    """The sample as a period of this kind sees it: for discharging, with charging and discharging exchanged."""
    reading = sample.reading
    if kind == "charge":
        return replace(sample, reading=replace(reading, charging=False)) if reading.discharging else sample
    mirrored = replace(
        reading,
        charging=reading.discharging,
        discharging=reading.charging,
        power_kw=reading.discharge_kw,
        discharge_kw=reading.power_kw,
        soc=view_level(kind, reading.soc),
    )
    return replace(sample, reading=mirrored)


def view_level(kind: SessionKind, level: float | None) -> float | None:
    """A level as a period of this kind stores it; applied twice, the level itself."""
    return level if level is None or kind == "charge" else 100 - level


def start_period(start: ChargingSample, place_sample: ChargingSample, kind: SessionKind = "charge") -> ChargingPeriod:
    """A new period that starts at `start` and takes its place from `place_sample`."""
    soc = start.reading.soc
    return ChargingPeriod(
        started_at=start.at,
        ended_at=start.at,
        open=True,
        soc_start=soc,
        soc_end=soc,
        place=place_sample.place,
        peak_kw=get_power_kw(start),
        kind=kind,
    )
