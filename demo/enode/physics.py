"""The physical car: how it rolls, draws current and fills up. Pure: a state and some seconds give the next state."""

import math
from dataclasses import dataclass, replace
from enum import StrEnum

VOLTS_PER_PHASE = 230.0
STEP_SECONDS = 20.0  # long jumps are walked in steps this short, so that the taper is followed
INITIALIZING_SECONDS = 15.0  # handshake between plug and current
TAPER_PERCENT = 4.0  # the last percents before the limit are charged ever slower …
MIN_TAPER_SHARE = 0.15  # … but never slower than this share of full power
RESERVE_PERCENT = 4.0  # a driver parks before the battery is flat
RESUME_PERCENT = 1.0  # a full car starts again by itself once its limit lies this far above its level
DISCHARGE_KW = 3.0


class Power(StrEnum):
    """What flows through the plug, in Enode's words for `powerDeliveryState`."""

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
        """Whether a cable is in the car."""
        return self.value.startswith("PLUGGED_IN")


@dataclass(frozen=True, slots=True, kw_only=True)
class CarSpec:
    """How a car is built, and the loop road on which it lives."""

    battery_kwh: float
    kwh_per_km: float
    cruise_kmh: float
    phases: int
    amps: float
    loop_km: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CarState:
    """What can change about a car. `loop_km` is its place on the loop road, whose start is its home."""

    energy_kwh: float
    odometer_km: float
    limit_percent: float
    max_current: float
    """A, what the driver allows; the car takes no more than it is built for."""
    loop_km: float = 0.0
    destination_km: float | None = None
    """Where on the loop the drive ends; None: it goes on."""
    driving: bool = False
    power: Power = Power.UNPLUGGED
    power_seconds: float = 0.0
    """How long `power` has been as it is."""


def battery_percent(spec: CarSpec, state: CarState) -> float:
    """Battery level in percent."""
    return 100.0 * state.energy_kwh / spec.battery_kwh


def with_battery_percent(spec: CarSpec, state: CarState, percent: float) -> CarState:
    """The same car with another battery level, 0 to 100."""
    return replace(state, energy_kwh=spec.battery_kwh * min(100.0, max(0.0, percent)) / 100.0)


def max_charge_kw(spec: CarSpec, state: CarState) -> float:
    """The kW that plug, car and driver allow together."""
    return min(spec.amps, state.max_current) * VOLTS_PER_PHASE * spec.phases / 1000.0


def charge_kw(spec: CarSpec, state: CarState) -> float:
    """The kW that flow into the battery now; 0 unless the car charges."""
    if state.power is not Power.CHARGING:
        return 0.0
    gap = state.limit_percent - battery_percent(spec, state)
    return max_charge_kw(spec, state) * min(1.0, max(MIN_TAPER_SHARE, gap / TAPER_PERCENT))


def minutes_to_limit(spec: CarSpec, state: CarState) -> float:
    """Minutes until the limit is reached when charging goes on: the curve of `charge_rate`, solved."""
    gap = max(0.0, state.limit_percent - battery_percent(spec, state))
    knee = MIN_TAPER_SHARE * TAPER_PERCENT
    straight = max(0.0, gap - TAPER_PERCENT)
    bent = TAPER_PERCENT * math.log(min(gap, TAPER_PERCENT) / knee) if gap > knee else 0.0
    last = min(gap, knee) / MIN_TAPER_SHARE
    hours_per_percent = spec.battery_kwh / 100.0 / max_charge_kw(spec, state)
    return (straight + bent + last) * hours_per_percent * 60.0


def advance_car(spec: CarSpec, state: CarState, seconds: float) -> CarState:
    """The car `seconds` later. Odometer never falls; battery stays within 0 and 100 %."""
    while seconds > 0:
        step = min(seconds, STEP_SECONDS)
        state = _advance_drive(spec, state, step) if state.driving else _advance_power(spec, state, step)
        state = replace(state, power_seconds=state.power_seconds + step)
        seconds -= step
    return state


def advance_sandbox_car(spec: CarSpec, state: CarState, seconds: float) -> CarState:
    """The car `seconds` later in a world where nothing flows and nothing rolls: only a handshake comes to its end."""
    if state.power is Power.INITIALIZING:
        return advance_car(spec, state, seconds=min(seconds, max(0.0, INITIALIZING_SECONDS - state.power_seconds)))
    return replace(state, power_seconds=state.power_seconds + seconds)


def with_power(state: CarState, power: Power) -> CarState:
    """The same car with another power state. A car on a cable does not drive."""
    if power is state.power:
        return state
    driving = state.driving and not power.is_plugged_in
    return replace(state, power=power, power_seconds=0.0, driving=driving)


def start_drive(state: CarState, destination_km: float | None = None) -> CarState:
    """Unplugged and on the road."""
    return replace(with_power(state, Power.UNPLUGGED), driving=True, destination_km=destination_km)


def park_car(state: CarState) -> CarState:
    """Standing, unplugged."""
    return replace(with_power(state, Power.UNPLUGGED), driving=False, destination_km=None)


def _advance_drive(spec: CarSpec, state: CarState, seconds: float) -> CarState:
    km = spec.cruise_kmh * seconds / 3600.0
    spare = state.energy_kwh - spec.battery_kwh * RESERVE_PERCENT / 100.0
    ends = km >= spare / spec.kwh_per_km
    km = max(0.0, min(km, spare / spec.kwh_per_km))
    place = state.loop_km + km
    if state.destination_km is not None and place >= state.destination_km:
        ends, km = True, max(0.0, state.destination_km - state.loop_km)
        place = max(state.loop_km, state.destination_km)  # to the digit, or a rounded sum would miss home by an ulp
    moved = replace(
        state,
        energy_kwh=max(0.0, state.energy_kwh - km * spec.kwh_per_km),
        odometer_km=state.odometer_km + km,
        loop_km=place % spec.loop_km,
    )
    return park_car(moved) if ends else moved


def _advance_power(spec: CarSpec, state: CarState, seconds: float) -> CarState:
    match state.power:
        case Power.INITIALIZING if state.power_seconds + seconds >= INITIALIZING_SECONDS:
            full = battery_percent(spec, state) >= state.limit_percent
            return with_power(state, Power.COMPLETE if full else Power.CHARGING)
        case Power.CHARGING:
            return _advance_charge(spec, state, seconds)
        case Power.COMPLETE if state.limit_percent - battery_percent(spec, state) > RESUME_PERCENT:
            return with_power(state, Power.INITIALIZING)
        case Power.DISCHARGING:
            left = max(0.0, state.energy_kwh - DISCHARGE_KW * seconds / 3600.0)
            return with_power(replace(state, energy_kwh=left), Power.DISCHARGING if left > 0 else Power.STOPPED)
        case _:
            return state


def _advance_charge(spec: CarSpec, state: CarState, seconds: float) -> CarState:
    limit_kwh = spec.battery_kwh * state.limit_percent / 100.0
    filled = state.energy_kwh + charge_kw(spec, state) * seconds / 3600.0
    if filled < limit_kwh:
        return replace(state, energy_kwh=filled)
    # A limit that was lowered below the level ends the charge; it does not take energy out again.
    return with_power(replace(state, energy_kwh=max(state.energy_kwh, limit_kwh)), Power.COMPLETE)
