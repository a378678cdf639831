"""The physical car: how it rolls, draws current and fills up. Pure: a state and some seconds give the next state."""

import math
from dataclasses import dataclass, replace
from enum import StrEnum

VOLTS = 230.0
STEP_SECONDS = 20.0  # long jumps are walked in steps this short, so that the taper is followed
INITIALIZING_SECONDS = 15.0  # handshake between plug and current
TAPER_PERCENT = 4.0  # the last percents before the limit are charged ever slower …
SLOWEST = 0.15  # … but never slower than this share of full power
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
    def plugged_in(self) -> bool:
        """Whether a cable is in the car."""
        return self.value.startswith("PLUGGED_IN")


@dataclass(frozen=True, slots=True, kw_only=True)
class Build:
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


def level(build: Build, state: CarState) -> float:
    """Battery level in percent."""
    return 100.0 * state.energy_kwh / build.battery_kwh


def with_level(build: Build, state: CarState, percent: float) -> CarState:
    """The same car with another battery level, 0 to 100."""
    return replace(state, energy_kwh=build.battery_kwh * min(100.0, max(0.0, percent)) / 100.0)


def full_power(build: Build, state: CarState) -> float:
    """The kW that plug, car and driver allow together."""
    return min(build.amps, state.max_current) * VOLTS * build.phases / 1000.0


def charge_rate(build: Build, state: CarState) -> float:
    """The kW that flow into the battery now; 0 unless the car charges."""
    if state.power is not Power.CHARGING:
        return 0.0
    gap = state.limit_percent - level(build, state)
    return full_power(build, state) * min(1.0, max(SLOWEST, gap / TAPER_PERCENT))


def minutes_to_limit(build: Build, state: CarState) -> float:
    """Minutes until the limit is reached when charging goes on: the curve of `charge_rate`, solved."""
    gap = max(0.0, state.limit_percent - level(build, state))
    knee = SLOWEST * TAPER_PERCENT
    straight = max(0.0, gap - TAPER_PERCENT)
    bent = TAPER_PERCENT * math.log(min(gap, TAPER_PERCENT) / knee) if gap > knee else 0.0
    last = min(gap, knee) / SLOWEST
    hours_per_percent = build.battery_kwh / 100.0 / full_power(build, state)
    return (straight + bent + last) * hours_per_percent * 60.0


def advance(build: Build, state: CarState, seconds: float) -> CarState:
    """The car `seconds` later. Odometer never falls; battery stays within 0 and 100 %."""
    while seconds > 0:
        step = min(seconds, STEP_SECONDS)
        state = _roll(build, state, step) if state.driving else _flow(build, state, step)
        state = replace(state, power_seconds=state.power_seconds + step)
        seconds -= step
    return state


def stand_still(build: Build, state: CarState, seconds: float) -> CarState:
    """The car `seconds` later in a world where nothing flows and nothing rolls: only a handshake comes to its end."""
    if state.power is Power.INITIALIZING:
        return advance(build, state, seconds=min(seconds, max(0.0, INITIALIZING_SECONDS - state.power_seconds)))
    return replace(state, power_seconds=state.power_seconds + seconds)


def switch(state: CarState, power: Power) -> CarState:
    """The same car with another power state. A car on a cable does not drive."""
    if power is state.power:
        return state
    driving = state.driving and not power.plugged_in
    return replace(state, power=power, power_seconds=0.0, driving=driving)


def drive(state: CarState, destination_km: float | None = None) -> CarState:
    """Unplugged and on the road."""
    return replace(switch(state, Power.UNPLUGGED), driving=True, destination_km=destination_km)


def park(state: CarState) -> CarState:
    """Standing, unplugged."""
    return replace(switch(state, Power.UNPLUGGED), driving=False, destination_km=None)


def _roll(build: Build, state: CarState, seconds: float) -> CarState:
    km = build.cruise_kmh * seconds / 3600.0
    spare = state.energy_kwh - build.battery_kwh * RESERVE_PERCENT / 100.0
    ends = km >= spare / build.kwh_per_km
    km = max(0.0, min(km, spare / build.kwh_per_km))
    place = state.loop_km + km
    if state.destination_km is not None and place >= state.destination_km:
        ends, km = True, max(0.0, state.destination_km - state.loop_km)
        place = max(state.loop_km, state.destination_km)  # to the digit, or a rounded sum would miss home by an ulp
    moved = replace(
        state,
        energy_kwh=max(0.0, state.energy_kwh - km * build.kwh_per_km),
        odometer_km=state.odometer_km + km,
        loop_km=place % build.loop_km,
    )
    return park(moved) if ends else moved


def _flow(build: Build, state: CarState, seconds: float) -> CarState:
    match state.power:
        case Power.INITIALIZING if state.power_seconds + seconds >= INITIALIZING_SECONDS:
            full = level(build, state) >= state.limit_percent
            return switch(state, Power.COMPLETE if full else Power.CHARGING)
        case Power.CHARGING:
            return _fill(build, state, seconds)
        case Power.COMPLETE if state.limit_percent - level(build, state) > RESUME_PERCENT:
            return switch(state, Power.INITIALIZING)
        case Power.DISCHARGING:
            left = max(0.0, state.energy_kwh - DISCHARGE_KW * seconds / 3600.0)
            return switch(replace(state, energy_kwh=left), Power.DISCHARGING if left > 0 else Power.STOPPED)
        case _:
            return state


def _fill(build: Build, state: CarState, seconds: float) -> CarState:
    limit_kwh = build.battery_kwh * state.limit_percent / 100.0
    filled = state.energy_kwh + charge_rate(build, state) * seconds / 3600.0
    if filled < limit_kwh:
        return replace(state, energy_kwh=filled)
    # A limit that was lowered below the level ends the charge; it does not take energy out again.
    return switch(replace(state, energy_kwh=max(state.energy_kwh, limit_kwh)), Power.COMPLETE)
