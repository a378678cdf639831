"""Charging sessions, told from a car's samples one after the other (docs/decisions/0012).

Pure, and a fold: what is known after a sample follows from what was known before it and that sample. So the newest
sample costs no look at the others, a late one is a fold over all that are kept, and old ones may be forgotten once
they are folded into what is known before the rest.

A state holds until the car says otherwise, because Enode is silent when nothing changes: between two samples the car
did what the first one says, unless the charge level proves the contrary.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Annotated, Literal

from pydantic import Field

from relay.vehicles.charging.samples import UNKNOWN_PLACE, ChargeReading, ChargingSample, VehiclePlace

MAX_GAP = timedelta(hours=8)
"""A longer silence says nothing of what happened in it."""
MAX_POWER_HOLD = timedelta(minutes=30)
"""For so long a power is believed to hold; over a longer silence the charge level measures better."""
MAX_PAUSE = timedelta(minutes=30)
"""A shorter pause within one plug-in does not end a session."""
MIN_UNMEASURED_DURATION = timedelta(minutes=10)
"""A car that tells neither power nor level is believed after so long."""

# Percentage points by which the level must rise to prove charging that the car does not tell of.
MIN_RISE_PLUGGED_IN = 2.0
MIN_RISE_UNPLUGGED = 5.0
# A fall that proves that the car was not charging; less is the battery's own wavering.
MIN_FALL = 2.0

type EnergySource = Literal["power", "soc", "mixed", "none"]


@dataclass(frozen=True, kw_only=True, slots=True)
class ChargingPeriod:
    """Charging within one plug-in. Until it is `proven` it is no session: parked cars claim to charge."""

    started_at: datetime
    ended_at: datetime
    # The car's last word is that it charges.
    open: bool
    charged: timedelta = timedelta()
    soc_start: float | None = None
    soc_end: float | None = None
    # Energy by power over time and by capacity times level; None: not measured so.
    power_kwh: float | None = None
    soc_kwh: float | None = None
    peak_kw: float | None = None
    place: VehiclePlace = UNKNOWN_PLACE
    # Unplugged since: whatever follows is another session.
    left: bool = False

    @property
    def soc_gain(self) -> float:
        """Percentage points gained."""
        return 0.0 if self.soc_start is None or self.soc_end is None else self.soc_end - self.soc_start

    @property
    def is_proven(self) -> bool:
        """Whether it is a session: power was told, the level rose, or the car tells neither and insists."""
        if not self.open and not self.charged:
            return False
        blind = self.soc_start is None and self.charged >= MIN_UNMEASURED_DURATION
        return self.peak_kw is not None or self.soc_gain >= MIN_RISE_PLUGGED_IN or blind

    @property
    def energy_kwh(self) -> float | None:
        """What went into the battery, never negative; None when nothing measures it."""
        if self.power_kwh is None and self.soc_kwh is None:
            return None
        return max(0.0, (self.power_kwh or 0.0) + (self.soc_kwh or 0.0))

    @property
    def energy_source(self) -> EnergySource:
        """What the energy was measured by."""
        if self.power_kwh is None:
            return "none" if self.soc_kwh is None else "soc"
        return "power" if self.soc_kwh is None else "mixed"


@dataclass(frozen=True, kw_only=True, slots=True)
class DerivationState:
    """All that the next sample needs: the last one, its unknowns filled in, and the newest spell."""

    last: ChargingSample | None = None
    period: Annotated[ChargingPeriod | None, Field(alias="spell")] = None


def advance_state(state: DerivationState, sample: ChargingSample) -> DerivationState:
    """`tail` after `sample`, which is newer than `tail.last`. An old spell is over when another one is there."""
    last = state.last
    if last is None:
        return DerivationState(last=sample, period=start_period(sample, sample) if sample.reading.charging else None)
    now = _fill_unknowns(last, sample)
    return DerivationState(last=now, period=_advance_period(state.period, last, now))


def iterate_states(state: DerivationState, samples: Iterable[ChargingSample]) -> Iterator[DerivationState]:
    """`tail` after each of `samples`, which are in order."""
    for sample in samples:
        state = advance_state(state, sample)
        yield state


def derive_periods(
    state: DerivationState, samples: Iterable[ChargingSample]
) -> tuple[list[ChargingPeriod], DerivationState]:
    """The sessions in `samples` that follow `tail` (its newest spell among them), in order, and the tail then."""
    found = [state.period] if state.period else []
    for state in iterate_states(state, samples):  # noqa: B020, PLR1704 - the tail moves on
        if state.period is None:
            continue
        if found and found[-1].started_at == state.period.started_at:
            found[-1] = state.period
        else:
            found = [*(replace(it, open=False) for it in found), state.period]
    return [it for it in found if it.is_proven], state


def _advance_period(period: ChargingPeriod | None, last: ChargingSample, now: ChargingSample) -> ChargingPeriod | None:
    if _has_charged(last, now):
        begin = last if last.reading.charging or last.reading.plugged_in else now
        period = resume_period(period, last) or start_period(last, begin)
        period = extend_period(period, last, now)
    elif now.reading.charging:
        period = resume_period(period, now) or start_period(now, now)
    elif period is not None:
        period = replace(period, open=False)
    return period and apply_sample(period, now)


def _has_charged(last: ChargingSample, now: ChargingSample) -> bool:
    """Whether the car charged between two samples."""
    silence = now.at - last.at
    if silence > MAX_GAP:
        return False
    rise = _get_soc_rise(last, now)
    if last.reading.charging:
        if rise is not None and rise <= -MIN_FALL:
            return False
        return silence <= MAX_POWER_HOLD or now.reading.charging is True or (rise is not None and rise > 0)
    plugged_in = bool(last.reading.plugged_in or now.reading.plugged_in)
    return rise is not None and rise >= (MIN_RISE_PLUGGED_IN if plugged_in else MIN_RISE_UNPLUGGED)


def start_period(start: ChargingSample, place_sample: ChargingSample) -> ChargingPeriod:
    soc = start.reading.soc
    return ChargingPeriod(
        started_at=start.at,
        ended_at=start.at,
        open=True,
        soc_start=soc,
        soc_end=soc,
        place=place_sample.place,
        peak_kw=_get_power_kw(start),
    )


def resume_period(period: ChargingPeriod | None, sample: ChargingSample) -> ChargingPeriod | None:
    """`spell` when charging at `at` goes on with it. A car that gained nothing so far begins anew."""
    if period is None or period.left or sample.at - period.ended_at > MAX_PAUSE:
        return None
    if sample.at == period.ended_at:
        return period
    soc, capacity = sample.reading.soc, sample.reading.capacity_kwh
    # Levels come in whole points and late, so a pause's change belongs to what the level measures.
    change = soc - period.soc_end if soc is not None and period.soc_end is not None else 0.0
    if not period.is_proven and period.soc_gain + change <= 0:
        return None
    by_level = capacity * change / 100 if capacity and period.power_kwh is None else 0.0
    return replace(
        period,
        ended_at=sample.at,
        soc_end=period.soc_end if soc is None else soc,
        soc_kwh=(period.soc_kwh or 0.0) + by_level if by_level else period.soc_kwh,
    )


def extend_period(period: ChargingPeriod, last: ChargingSample, now: ChargingSample) -> ChargingPeriod:
    """`spell` with the charging between `last` and `now`."""
    silence = now.at - last.at
    rise, capacity = _get_soc_rise(last, now), now.reading.capacity_kwh
    by_level = capacity * rise / 100 if capacity and rise is not None else None
    power = _get_power_kw(last) or (_get_power_kw(now) if last.reading.charging else None)
    power_kwh, soc_kwh = period.power_kwh, period.soc_kwh
    if power and (silence <= MAX_POWER_HOLD or (by_level is None and now.reading.charging)):
        power_kwh = (power_kwh or 0.0) + power * (silence / timedelta(hours=1))
    elif by_level:
        soc_kwh = (soc_kwh or 0.0) + by_level
    return replace(
        period,
        ended_at=now.at,
        charged=period.charged + silence,
        soc_end=now.reading.soc if now.reading.soc is not None else period.soc_end,
        power_kwh=power_kwh,
        soc_kwh=soc_kwh,
    )


def apply_sample(period: ChargingPeriod, now: ChargingSample) -> ChargingPeriod:
    """`spell` with what the newest sample tells of it besides energy."""
    charging = now.reading.charging is True
    place = period.place
    if charging and place.latitude is None:
        place = replace(place, latitude=now.place.latitude, longitude=now.place.longitude)
    if charging and place.odometer_km is None:
        place = replace(place, odometer_km=now.place.odometer_km)
    known = [it for it in (period.peak_kw, _get_power_kw(now)) if it is not None]
    return replace(
        period,
        open=charging,
        ended_at=now.at if charging else period.ended_at,
        soc_start=now.reading.soc if charging and period.soc_start is None else period.soc_start,
        soc_end=now.reading.soc if charging and period.soc_end is None else period.soc_end,
        peak_kw=max(known, default=None),
        place=place,
        left=period.left or (now.reading.plugged_in is False and not charging),
    )


def _fill_unknowns(last: ChargingSample, now: ChargingSample) -> ChargingSample:
    """`now` with what it does not say as it was last said, as long as that may be believed."""
    was, is_ = last.reading, now.reading
    if now.at - last.at > MAX_GAP:
        return replace(now, reading=replace(is_, capacity_kwh=is_.capacity_kwh or was.capacity_kwh))
    unknown = is_.charging is None
    return replace(
        now,
        reading=ChargeReading(
            charging=was.charging if unknown else is_.charging,
            plugged_in=was.plugged_in if is_.plugged_in is None else is_.plugged_in,
            soc=was.soc if is_.soc is None else is_.soc,
            power_kw=was.power_kw if unknown else is_.power_kw,
            capacity_kwh=is_.capacity_kwh or was.capacity_kwh,
        ),
    )


def _get_soc_rise(last: ChargingSample, now: ChargingSample) -> float | None:
    was, is_ = last.reading.soc, now.reading.soc
    return None if was is None or is_ is None else is_ - was


def _get_power_kw(sample: ChargingSample) -> float | None:
    return sample.reading.power_kw if sample.reading.charging else None
