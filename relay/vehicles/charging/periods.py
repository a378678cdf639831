"""Periods of charging or discharging: how one starts, pauses, and grows with each sample. Pure functions.

A period that is proven to be real becomes a charging session (docs/decisions/0012, 0021). The functions know charging
only: samples of a discharging vehicle are passed through `view_sample`, which mirrors them.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

from relay.vehicles.charging.energy import (
    MAX_HIDDEN_CHANGE,
    MAX_POWER_HOLD,
    MAX_STEADY_KW,
    NO_CHECK,
    PowerCheck,
    add_energy,
    get_power_kw,
    get_soc_rise,
    measure_energy,
)
from relay.vehicles.charging.evidence import MIN_RISE_PLUGGED_IN, has_moved
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
MAX_RETURN_DIFFERENCE = 5.0
"""Percentage points around the level at which a period began that count as a return; the vehicle may have used some."""
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


def update_plug(period: ChargingPeriod, last: ChargingSample, now: ChargingSample) -> ChargingPeriod:
    """`period` after `now` confirmed or refuted that the vehicle was unplugged at `last`, if it was."""
    if period.left or period.left_at is None:
        return period
    is_plugged_in = bool(now.reading.charging or now.reading.plugged_in)
    moved = has_moved(last.place, now.place)
    limit = MAX_UNPLUGGED_UNSEEN if moved is None else MAX_UNPLUGGED
    is_flicker = is_plugged_in and not moved and now.at - period.left_at <= limit
    return replace(period, left_at=None, left=not is_flicker)


def is_taken_back(period: ChargingPeriod, last: ChargingSample, now: ChargingSample) -> bool:
    """Whether the level fell back, as after a fault, to where a period began that only the level proves."""
    if not now.reading.rebased or period.open or period.peak_kw is not None:
        return False
    before, after, start, end = last.reading.soc, now.reading.soc, period.soc_start, period.soc_end
    if before is None or after is None or start is None or end is None:
        return False
    is_explained = period.left or has_moved(period.place, now.place)
    if is_explained and not now.reading.returned:
        return False  # it was unplugged and driven
    return abs(before - end) <= MIN_RISE_PLUGGED_IN and abs(after - start) <= MAX_RETURN_DIFFERENCE


def take_back(period: ChargingPeriod) -> ChargingPeriod:
    """`period` without anything that proves it."""
    return replace(period, charged=timedelta(), soc_end=period.soc_start, soc_kwh=None, slices=NO_SLICES)


def shift_level(period: ChargingPeriod, last: ChargingSample, now: ChargingSample) -> ChargingPeriod:
    """`period` when the level at `now` can't be compared with that at `last`."""
    before, after = last.reading.soc, now.reading.soc
    check = period.check.forget_unseen()
    if before is None or after is None or period.soc_end is None:
        return replace(period, check=check)
    jump = after - before
    period = replace(period, check=check, soc_end=period.soc_end + jump)
    if now.reading.returned and jump < 0 and period.soc_kwh:
        return _remove_fault(period, -jump * (now.reading.capacity_kwh or 0.0) / 100)
    return replace(period, jumped=period.jumped + jump)


def _remove_fault(period: ChargingPeriod, kwh: float) -> ChargingPeriod:
    """`period` without the energy that the level showed last, because the rise was a fault."""
    removed = min(max(0.0, kwh), period.soc_kwh or 0.0)
    slices = period.slices.remove_last(removed)
    return replace(
        period,
        soc_kwh=(period.soc_kwh or 0.0) - removed,
        ended_at=min(period.ended_at, slices.end or period.ended_at),
        estimated=True,
        slices=slices,
    )


def resume_period(period: ChargingPeriod | None, sample: ChargingSample) -> ChargingPeriod | None:
    """`period`, extended by the pause up to `sample`; None when charging at `sample` is a new period.

    An unproven period that has gained nothing is not resumed either.
    """
    if period is None or period.left or sample.at - period.ended_at > MAX_PAUSE:
        return None
    if sample.at - period.started_at > MAX_DURATION:
        return None
    if sample.at == period.ended_at:
        return period
    soc, capacity = sample.reading.soc, sample.reading.capacity_kwh
    # Levels arrive in whole points and late, so a change during a pause counts towards the energy measured by level.
    change = soc - period.soc_end if soc is not None and period.soc_end is not None else 0.0
    if not period.is_proven and period.soc_gain + change <= 0:
        return None
    level_kwh = capacity * change / 100 if capacity and period.power_kwh is None else 0.0
    check = period.check if period.power_kwh is None else period.check.add_late_rise(change)
    return replace(
        period,
        ended_at=sample.at,
        soc_end=period.soc_end if soc is None else soc,
        soc_kwh=(period.soc_kwh or 0.0) + level_kwh if level_kwh else period.soc_kwh,
        power_kwh=add_energy(period.power_kwh, check.kwh - period.check.kwh) if period.power_kwh is not None else None,
        check=check,
        slices=period.slices.add(period.ended_at, sample.at, level_kwh),
    )


def extend_period(
    period: ChargingPeriod,
    last: ChargingSample,
    now: ChargingSample,
    *,
    is_level_known: bool = True,
    assumed_kw: float | None = None,
) -> ChargingPeriod:
    """`period` with the charging between the samples `last` and `now`.

    `assumed_kw`: see measure_energy. The level at `now` isn't known if it is only that of a sample before.
    """
    energy = measure_energy(last, now, assumed_kw=assumed_kw)
    rise, power_kwh, soc_kwh = get_soc_rise(last, now), energy.power_kwh, energy.soc_kwh
    check = period.check.with_battery(now.reading)
    if power_kwh is not None and rise is not None and is_level_known and now.at - last.at <= MAX_HIDDEN_CHANGE:
        other_kwh = (get_power_kw(now) or 0.0) * ((now.at - last.at) / timedelta(hours=1))
        is_steady = (period.peak_kw or 0.0) <= MAX_STEADY_KW
        refined_kwh = (
            check.refine(power_kwh, other_kwh, rise, is_steady=is_steady) if last.reading.power_kw else power_kwh
        )
        check, power_kwh = check.withhold(max(0.0, power_kwh - refined_kwh)), refined_kwh
    if power_kwh is not None:
        check = check.add_power(power_kwh, rise, is_level_known=is_level_known)
    elif soc_kwh is not None and rise is not None:
        check, explained_kwh = check.explain_rise(rise)
        soc_kwh = soc_kwh - explained_kwh or None
    is_measured = power_kwh is not None or soc_kwh is not None
    is_inferred = not last.reading.charging and not now.reading.charging
    return replace(
        period,
        ended_at=now.at,
        charged=period.charged + (now.at - last.at),
        soc_end=now.reading.soc if now.reading.soc is not None else period.soc_end,
        power_kwh=add_energy(period.power_kwh, power_kwh),
        soc_kwh=add_energy(period.soc_kwh, soc_kwh),
        check=check,
        estimated=period.estimated or is_inferred or (is_measured and now.at - last.at > MAX_POWER_HOLD),
        slices=period.slices.add(last.at, now.at, (power_kwh or 0.0) + (soc_kwh or 0.0)),
    )


def find_late_rise(period: ChargingPeriod | None, last: ChargingSample, now: ChargingSample) -> float | None:
    """The rise of the level between two samples that only shows what power charged before; None when it doesn't."""
    rise = get_soc_rise(last, now)
    is_idle = not last.reading.charging and not now.reading.charging
    if period is None or not rise or rise < 0 or not is_idle or has_moved(last.place, now.place):
        return None
    if now.at - period.ended_at > MAX_LATENESS:
        return None
    return rise if period.check.explains(rise) else None


def add_late_rise(period: ChargingPeriod, rise: float) -> ChargingPeriod:
    """`period` with a rise of the level that arrived after its end."""
    soc_end = None if period.soc_end is None else period.soc_end + rise
    check = period.check.add_late_rise(rise)
    power_kwh = add_energy(period.power_kwh, check.kwh - period.check.kwh)
    return replace(period, soc_end=soc_end, check=check, power_kwh=power_kwh)


def apply_sample(period: ChargingPeriod, now: ChargingSample, last: ChargingSample | None = None) -> ChargingPeriod:
    """`period` with what the newest sample adds besides energy: state, place, first level, peak power."""
    charging = now.reading.charging is True
    place = period.place
    if charging and place.latitude is None:
        place = replace(place, latitude=now.place.latitude, longitude=now.place.longitude)
    if charging and place.odometer_km is None:
        place = replace(place, odometer_km=now.place.odometer_km)
    powers = [power for power in (period.peak_kw, get_power_kw(now)) if power is not None]
    period = replace(
        period,
        open=charging,
        ended_at=now.at if charging else period.ended_at,
        soc_start=now.reading.soc if charging and period.soc_start is None else period.soc_start,
        soc_end=now.reading.soc if charging and period.soc_end is None else period.soc_end,
        peak_kw=max(powers, default=None),
        place=place,
        unmeasured=period.unmeasured or (period.soc_start is None and period.charged >= MIN_UNMEASURED_DURATION),
    )
    return _leave(period, last, now) if now.reading.plugged_in is False and not charging else period


def _leave(period: ChargingPeriod, last: ChargingSample | None, now: ChargingSample) -> ChargingPeriod:
    """`period` after an *unplugged* reading: left, unless that may be a flicker."""
    was_plugged_in = last is not None and bool(last.reading.plugged_in or last.reading.charging)
    if period.left or not was_plugged_in or has_moved(last.place if last else UNKNOWN_PLACE, now.place):
        return replace(period, left=True, left_at=None)
    return replace(period, left_at=now.at)
