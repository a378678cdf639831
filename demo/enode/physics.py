"""Physics of a car: driving and charging. Pure functions: a state and a duration give the next state."""

import math
from dataclasses import dataclass, replace
from enum import StrEnum

VOLTS_PER_PHASE = 230.0
STEP_SECONDS = 20.0  # longest step of a simulation; short enough to follow the taper
INITIALIZING_SECONDS = 15.0  # from plugging in to the first current
TAPER_PERCENT = 4.0  # charging slows down over the last percent before the limit …
MIN_TAPER_SHARE = 0.15  # … but not below this share of full power
RESERVE_PERCENT = 4.0  # a drive ends at this battery level, unless the car's specification has another one
RESUME_PERCENT = 1.0  # a complete charge resumes if the limit is this far above the level
DISCHARGE_KW = 3.0


class Power(StrEnum):
    """The values of Enode's `powerDeliveryState`."""

    UNKNOWN = "UNKNOWN"
    UNPLUGGED = "UNPLUGGED"
    INITIALIZING = "PLUGGED_IN:INITIALIZING"
    CHARGING = "PLUGGED_IN:CHARGING"
    STOPPED = "PLUGGED_IN:STOPPED"
    COMPLETE = "PLUGGED_IN:COMPLETE"
    NO_POWER = "PLUGGED_IN:NO_POWER"
    FAULT = "PLUGGED_IN:FAULT"
    DISCHARGING = "PLUGGED_IN:DISCHARGING"

    @property
    def is_plugged_in(self) -> bool:
        """Whether the car is plugged in."""
        return self.value.startswith("PLUGGED_IN")


@dataclass(frozen=True, slots=True, kw_only=True)
class CarSpec:
    """Technical data of a car, and the length of the circular road it drives on."""

    battery_kwh: float
    kwh_per_km: float
    cruise_kmh: float
    phases: int
    amps: float
    loop_km: float
    reserve_percent: float = RESERVE_PERCENT
    """Battery level at which a drive ends."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CarState:
    """The changing values of a car. `loop_km` is its position on the circular road, which begins at its home."""

    energy_kwh: float
    odometer_km: float
    limit_percent: float
    max_current: float
    """Driver's limit in A. The car never draws more than its specification."""
    loop_km: float = 0.0
    destination_km: float | None = None
    """Position on the road at which the drive ends; None for a drive without a destination."""
    driving: bool = False
    power: Power = Power.UNPLUGGED
    power_seconds: float = 0.0
    """How long `power` has been unchanged."""
    dc_kw: float | None = None
    """Power of the DC charger that the car is plugged in to; None for AC, whose power the car's current limits."""
    discharge_kw: float = DISCHARGE_KW
    """Power that the car gives to the home or grid while discharging."""
    drain_kw: float = 0.0
    """Power drawn from the battery while parked (standby, preconditioning). While charging, the charger supplies it."""
    drive_kwh_per_km: float | None = None
    """Consumption of the present drive; None for the specification's. Negative: recuperation, or a hybrid's engine."""


def battery_percent(spec: CarSpec, state: CarState) -> float:
    """Return the battery level in percent."""
    return 100.0 * state.energy_kwh / spec.battery_kwh


def with_battery_percent(spec: CarSpec, state: CarState, percent: float) -> CarState:
    """Return the state with another battery level, 0 to 100."""
    return replace(state, energy_kwh=spec.battery_kwh * min(100.0, max(0.0, percent)) / 100.0)


def max_charge_kw(spec: CarSpec, state: CarState) -> float:
    """Return the highest charging power in kW that charger, specification and driver allow."""
    if state.dc_kw is not None:
        return state.dc_kw
    return min(spec.amps, state.max_current) * VOLTS_PER_PHASE * spec.phases / 1000.0


def charge_kw(spec: CarSpec, state: CarState) -> float:
    """Return the present charging power in kW; 0 unless the car is charging."""
    if state.power is not Power.CHARGING:
        return 0.0
    gap = state.limit_percent - battery_percent(spec, state)
    return max_charge_kw(spec, state) * min(1.0, max(MIN_TAPER_SHARE, gap / TAPER_PERCENT))


def minutes_to_limit(spec: CarSpec, state: CarState) -> float:
    """Return the minutes until a continued charge reaches the limit, by integrating `charge_kw`."""
    gap = max(0.0, state.limit_percent - battery_percent(spec, state))
    taper_end = MIN_TAPER_SHARE * TAPER_PERCENT
    constant_power = max(0.0, gap - TAPER_PERCENT)
    taper = TAPER_PERCENT * math.log(min(gap, TAPER_PERCENT) / taper_end) if gap > taper_end else 0.0
    minimum_power = min(gap, taper_end) / MIN_TAPER_SHARE
    hours_per_percent = spec.battery_kwh / 100.0 / max_charge_kw(spec, state)
    return (constant_power + taper + minimum_power) * hours_per_percent * 60.0


def advance_car(spec: CarSpec, state: CarState, seconds: float) -> CarState:
    """Return the state `seconds` later. The odometer never decreases; the battery stays between 0 and 100 %."""
    while seconds > 0:
        is_idle = not state.driving and state.power is Power.UNPLUGGED  # its loss is linear
        step = seconds if is_idle else min(seconds, STEP_SECONDS)
        state = _advance_drive(spec, state, step) if state.driving else _advance_power(spec, state, step)
        state = replace(state, power_seconds=state.power_seconds + step)
        seconds -= step
    return state


def advance_sandbox_car(spec: CarSpec, state: CarState, seconds: float) -> CarState:
    """Return the state `seconds` later in a sandbox, where the only progress is from INITIALIZING to the next state."""
    if state.power is Power.INITIALIZING:
        return advance_car(spec, state, seconds=min(seconds, max(0.0, INITIALIZING_SECONDS - state.power_seconds)))
    return replace(state, power_seconds=state.power_seconds + seconds)


def with_power(state: CarState, power: Power) -> CarState:
    """Return the state with another power state. Plugging in ends a drive."""
    if power is state.power:
        return state
    driving = state.driving and not power.is_plugged_in
    dc_kw = state.dc_kw if power.is_plugged_in else None
    return replace(state, power=power, power_seconds=0.0, driving=driving, dc_kw=dc_kw)


def start_drive(state: CarState, destination_km: float | None = None, *, kwh_per_km: float | None = None) -> CarState:
    """Return the state unplugged and driving. `kwh_per_km` is the drive's consumption if it isn't the usual one."""
    unplugged = with_power(state, Power.UNPLUGGED)
    return replace(unplugged, driving=True, destination_km=destination_km, drive_kwh_per_km=kwh_per_km)


def park_car(state: CarState) -> CarState:
    """Return the state unplugged and parked."""
    return replace(with_power(state, Power.UNPLUGGED), driving=False, destination_km=None)


def tow_car(state: CarState, loop_km: float) -> CarState:
    """Return the state after the car was carried to a position on the road: the odometer stands still."""
    return replace(park_car(state), loop_km=loop_km)


def _advance_drive(spec: CarSpec, state: CarState, seconds: float) -> CarState:
    kwh_per_km = spec.kwh_per_km if state.drive_kwh_per_km is None else state.drive_kwh_per_km
    km = spec.cruise_kmh * seconds / 3600.0
    usable_kwh = state.energy_kwh - spec.battery_kwh * spec.reserve_percent / 100.0
    ends = kwh_per_km > 0 and km >= usable_kwh / kwh_per_km
    if ends:
        km = max(0.0, usable_kwh / kwh_per_km)
    position = state.loop_km + km
    if state.destination_km is not None and position >= state.destination_km:
        ends, km = True, max(0.0, state.destination_km - state.loop_km)
        position = max(state.loop_km, state.destination_km)  # exact: a rounded sum could miss home
    moved = replace(
        state,
        energy_kwh=min(spec.battery_kwh, max(0.0, state.energy_kwh - km * kwh_per_km)),
        odometer_km=state.odometer_km + km,
        loop_km=position % spec.loop_km,
    )
    return park_car(moved) if ends else moved


def _advance_power(spec: CarSpec, state: CarState, seconds: float) -> CarState:
    if state.drain_kw and state.power is not Power.CHARGING:
        state = replace(state, energy_kwh=max(0.0, state.energy_kwh - state.drain_kw * seconds / 3600.0))
    match state.power:
        case Power.INITIALIZING if state.power_seconds + seconds >= INITIALIZING_SECONDS:
            full = battery_percent(spec, state) >= state.limit_percent
            return with_power(state, Power.COMPLETE if full else Power.CHARGING)
        case Power.CHARGING:
            return _advance_charge(spec, state, seconds)
        case Power.COMPLETE if state.limit_percent - battery_percent(spec, state) > RESUME_PERCENT:
            return with_power(state, Power.INITIALIZING)
        case Power.DISCHARGING:
            remaining_kwh = max(0.0, state.energy_kwh - state.discharge_kw * seconds / 3600.0)
            return with_power(
                replace(state, energy_kwh=remaining_kwh), Power.DISCHARGING if remaining_kwh > 0 else Power.STOPPED
            )
        case _:
            return state


def _advance_charge(spec: CarSpec, state: CarState, seconds: float) -> CarState:
    limit_kwh = spec.battery_kwh * state.limit_percent / 100.0
    filled = state.energy_kwh + charge_kw(spec, state) * seconds / 3600.0
    if filled < limit_kwh:
        return replace(state, energy_kwh=filled)
    # Lowering the limit below the level ends the charge but removes no energy.
    return with_power(replace(state, energy_kwh=max(state.energy_kwh, limit_kwh)), Power.COMPLETE)
