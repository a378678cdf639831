"""Periods of charging: how one starts, resumes after a pause, and grows with each sample. Pure functions.

A period that is proven to be real charging becomes a charging session (docs/decisions/0012).
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

from relay.vehicles.charging.energy import add_energy, get_power_kw, measure_energy
from relay.vehicles.charging.samples import UNKNOWN_PLACE, ChargingSample, VehiclePlace

MAX_PAUSE = timedelta(minutes=30)
"""The longest pause within one plug-in that doesn't end a session."""
MIN_UNMEASURED_DURATION = timedelta(minutes=10)
"""How long a vehicle that reports neither power nor level must charge before it counts as a session."""
MIN_RISE_PLUGGED_IN = 2.0
"""Percentage points by which the level of a plugged-in vehicle must rise to prove that it charged."""

type EnergySource = Literal["power", "soc", "mixed", "none"]


@dataclass(frozen=True, kw_only=True, slots=True)
class ChargingPeriod:
    """Charging within one plug-in. It counts as a session once it `is_proven`: parked vehicles claim to charge.

    Field names are JSON keys in `vehicle_energy.tail` and `vehicle_energy.base`: don't rename them.
    """

    started_at: datetime
    ended_at: datetime
    # The newest sample says that the vehicle is charging.
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

    @property
    def soc_gain(self) -> float:
        """Percentage points gained."""
        return 0.0 if self.soc_start is None or self.soc_end is None else self.soc_end - self.soc_start

    @property
    def is_proven(self) -> bool:
        """Whether it is a session: power was reported, the level rose, or it lasted while neither is reported."""
        if not self.open and not self.charged:
            return False
        is_long_unmeasured = self.soc_start is None and self.charged >= MIN_UNMEASURED_DURATION
        return self.peak_kw is not None or self.soc_gain >= MIN_RISE_PLUGGED_IN or is_long_unmeasured

    @property
    def energy_kwh(self) -> float | None:
        """Energy added to the battery, never negative; None when nothing measures it."""
        if self.power_kwh is None and self.soc_kwh is None:
            return None
        return max(0.0, (self.power_kwh or 0.0) + (self.soc_kwh or 0.0))

    @property
    def energy_source(self) -> EnergySource:
        """How the energy was measured."""
        if self.power_kwh is None:
            return "none" if self.soc_kwh is None else "soc"
        return "power" if self.soc_kwh is None else "mixed"


def start_period(start: ChargingSample, place_sample: ChargingSample) -> ChargingPeriod:
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
    )


def resume_period(period: ChargingPeriod | None, sample: ChargingSample) -> ChargingPeriod | None:
    """`period`, extended by the pause up to `sample`; None when charging at `sample` is a new period.

    An unproven period that has gained nothing is not resumed either.
    """
    if period is None or period.left or sample.at - period.ended_at > MAX_PAUSE:
        return None
    if sample.at == period.ended_at:
        return period
    soc, capacity = sample.reading.soc, sample.reading.capacity_kwh
    # Levels arrive in whole points and late, so a change during a pause counts towards the energy measured by level.
    change = soc - period.soc_end if soc is not None and period.soc_end is not None else 0.0
    if not period.is_proven and period.soc_gain + change <= 0:
        return None
    level_kwh = capacity * change / 100 if capacity and period.power_kwh is None else 0.0
    return replace(
        period,
        ended_at=sample.at,
        soc_end=period.soc_end if soc is None else soc,
        soc_kwh=(period.soc_kwh or 0.0) + level_kwh if level_kwh else period.soc_kwh,
    )


def extend_period(period: ChargingPeriod, last: ChargingSample, now: ChargingSample) -> ChargingPeriod:
    """`period` with the charging between the samples `last` and `now`."""
    energy = measure_energy(last, now)
    return replace(
        period,
        ended_at=now.at,
        charged=period.charged + (now.at - last.at),
        soc_end=now.reading.soc if now.reading.soc is not None else period.soc_end,
        power_kwh=add_energy(period.power_kwh, energy.power_kwh),
        soc_kwh=add_energy(period.soc_kwh, energy.soc_kwh),
    )


def apply_sample(period: ChargingPeriod, now: ChargingSample) -> ChargingPeriod:
    """`period` with what the newest sample adds besides energy: state, place, first level, peak power."""
    charging = now.reading.charging is True
    place = period.place
    if charging and place.latitude is None:
        place = replace(place, latitude=now.place.latitude, longitude=now.place.longitude)
    if charging and place.odometer_km is None:
        place = replace(place, odometer_km=now.place.odometer_km)
    powers = [power for power in (period.peak_kw, get_power_kw(now)) if power is not None]
    return replace(
        period,
        open=charging,
        ended_at=now.at if charging else period.ended_at,
        soc_start=now.reading.soc if charging and period.soc_start is None else period.soc_start,
        soc_end=now.reading.soc if charging and period.soc_end is None else period.soc_end,
        peak_kw=max(powers, default=None),
        place=place,
        left=period.left or (now.reading.plugged_in is False and not charging),
    )
