"""How a period of charging pauses and grows with each sample. Pure functions."""

from dataclasses import replace
from datetime import timedelta

from relay.vehicles.charging.energy import (
    MAX_HIDDEN_CHANGE,
    MAX_POWER_HOLD,
    MAX_STEADY_KW,
    add_energy,
    get_power_kw,
    get_soc_rise,
    measure_energy,
)
from relay.vehicles.charging.evidence import has_moved
from relay.vehicles.charging.periods import (
    MAX_DURATION,
    MAX_LATENESS,
    MAX_PAUSE,
    MAX_UNPLUGGED,
    MAX_UNPLUGGED_UNSEEN,
    MIN_UNMEASURED_DURATION,
    ChargingPeriod,
)
from relay.vehicles.charging.samples import UNKNOWN_PLACE, ChargingSample


def update_plug(period: ChargingPeriod, last: ChargingSample, now: ChargingSample) -> ChargingPeriod:
    """`period` after `now` confirmed or refuted that the vehicle was unplugged at `last`, if it was."""
    if period.left or period.left_at is None:
        return period
    is_plugged_in = bool(now.reading.charging or now.reading.plugged_in)
    moved = has_moved(last.place, now.place)
    limit = MAX_UNPLUGGED_UNSEEN if moved is None else MAX_UNPLUGGED
    is_flicker = is_plugged_in and not moved and now.at - period.left_at <= limit
    return replace(period, left_at=None, left=not is_flicker)


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
