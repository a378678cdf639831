"""What the control surface can have a car do, and what a car is seen doing. Pure."""

from collections.abc import Callable
from dataclasses import replace
from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field, field_validator

from demo.enode.interventions import BY_KEY
from demo.enode.physics import Build, CarState, Power, drive, level, park, switch, with_level
from demo.enode.routine import resume
from demo.enode.world import Car


class Activity(StrEnum):
    """What a car can be told by hand. It keeps to it until told otherwise; AUTO gives it back to its daily life."""

    DRIVE = "drive"
    PARK = "park"
    PLUG_IN = "plug_in"
    UNPLUG = "unplug"
    CHARGE = "charge"
    STOP = "stop"
    AUTO = "auto"


class Wish(BaseModel):
    """Body of POST /_sim/vehicles/{id}. What is absent stays as it is."""

    model_config = ConfigDict(extra="forbid", strict=True)

    activity: Activity | None = None
    """drive, park, plug_in, unplug, charge, stop; auto gives the car back to its daily life."""
    power_delivery_state: Power | None = None
    """Force one of Enode's states, such as PLUGGED_IN:FAULT."""
    battery_level: float | None = Field(default=None, ge=0, le=100)
    charge_limit: float | None = Field(default=None, ge=1, le=100)
    max_current: float | None = Field(default=None, ge=1, le=100)
    odometer: float | None = Field(default=None, ge=0, le=10_000_000)
    """km; never less than it shows."""
    reachable: bool | None = None
    credentials_valid: bool | None = None
    """False: the vendor refuses the user's sign-in, for all cars of this account."""
    interventions: list[str] | None = None
    """The interventions that stand before this car's capabilities, by their keys; an empty list clears them."""

    @field_validator("interventions")
    @classmethod
    def _known(cls, keys: list[str] | None) -> list[str] | None:
        if keys is not None and not set(keys) <= BY_KEY.keys():
            raise ValueError(f"this world knows {', '.join(BY_KEY)}")
        return keys


def _plug_in(_build: Build, state: CarState) -> CarState:
    return state if state.power.plugged_in else switch(state, Power.STOPPED)


def _charge(build: Build, state: CarState) -> CarState:
    full = level(build, state) >= state.limit_percent
    return switch(state, Power.COMPLETE if full else Power.CHARGING)


HANDLES: dict[Activity, Callable[[Build, CarState], CarState]] = {
    Activity.DRIVE: lambda _, state: drive(state),
    Activity.PARK: lambda _, state: park(state),
    Activity.PLUG_IN: _plug_in,
    Activity.UNPLUG: lambda _, state: park(state),
    Activity.CHARGE: _charge,
    Activity.STOP: lambda _, state: switch(state, Power.STOPPED),
}

SEEN = {
    Power.UNKNOWN: "unknown",
    Power.INITIALIZING: "initializing",
    Power.CHARGING: "charging",
    Power.STOPPED: "stopped",
    Power.COMPLETE: "complete",
    Power.NO_POWER: "no_power",
    Power.FAULT: "fault",
    Power.DISCHARGING: "discharging",
}


def activity_of(car: Car) -> str:
    """What a car does in truth: driving, parked, charging, stopped, complete and so on."""
    if car.state.power is Power.UNPLUGGED:
        return "driving" if car.state.driving else "parked"
    return SEEN[car.state.power]


def change(car: Car, wish: Wish) -> Car:
    """The car after a hand changed what it wishes, everything at once. An activity or a power state pins it."""
    state = _set_values(car, wish)
    car = replace(car, state=state, reachable=car.reachable if wish.reachable is None else wish.reachable)
    if wish.interventions is not None:
        car = replace(car, interventions=tuple(BY_KEY[key].id for key in wish.interventions))
    if wish.activity is Activity.AUTO:
        stage, state = resume(car.model.build, state)
        car = replace(car, state=state, stage=stage, stage_seconds=0.0, pinned=False)
    elif wish.activity is not None:
        car = replace(car, state=HANDLES[wish.activity](car.model.build, state), pinned=True, order=None)
    if wish.power_delivery_state is not None:
        car = replace(car, state=switch(car.state, wish.power_delivery_state), pinned=True, order=None)
    return car


def _set_values(car: Car, wish: Wish) -> CarState:
    state = car.state
    if wish.battery_level is not None:
        state = with_level(car.model.build, state, wish.battery_level)
    return replace(
        state,
        limit_percent=state.limit_percent if wish.charge_limit is None else wish.charge_limit,
        max_current=state.max_current if wish.max_current is None else wish.max_current,
        odometer_km=state.odometer_km if wish.odometer is None else wish.odometer,
    )
