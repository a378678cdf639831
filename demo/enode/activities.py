"""What the control surface can have a car do, and what a car is seen doing. Pure."""

from collections.abc import Callable
from dataclasses import replace
from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field, field_validator

from demo.enode.daily_routine import resume_routine
from demo.enode.interventions import INTERVENTIONS_BY_KEY
from demo.enode.physics import (
    CarSpec,
    CarState,
    Power,
    battery_percent,
    park_car,
    start_drive,
    with_battery_percent,
    with_power,
)
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


class VehicleChanges(BaseModel):
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
    def _check_intervention_keys(cls, keys: list[str] | None) -> list[str] | None:
        if keys is not None and not set(keys) <= INTERVENTIONS_BY_KEY.keys():
            raise ValueError(f"this world knows {', '.join(INTERVENTIONS_BY_KEY)}")
        return keys


def _plug_in_car(_build: CarSpec, state: CarState) -> CarState:
    return state if state.power.is_plugged_in else with_power(state, Power.STOPPED)


def _start_charging(spec: CarSpec, state: CarState) -> CarState:
    full = battery_percent(spec, state) >= state.limit_percent
    return with_power(state, Power.COMPLETE if full else Power.CHARGING)


ACTIVITY_TRANSITIONS: dict[Activity, Callable[[CarSpec, CarState], CarState]] = {
    Activity.DRIVE: lambda _, state: start_drive(state),
    Activity.PARK: lambda _, state: park_car(state),
    Activity.PLUG_IN: _plug_in_car,
    Activity.UNPLUG: lambda _, state: park_car(state),
    Activity.CHARGE: _start_charging,
    Activity.STOP: lambda _, state: with_power(state, Power.STOPPED),
}

ACTIVITY_BY_POWER = {
    Power.UNKNOWN: "unknown",
    Power.INITIALIZING: "initializing",
    Power.CHARGING: "charging",
    Power.STOPPED: "stopped",
    Power.COMPLETE: "complete",
    Power.NO_POWER: "no_power",
    Power.FAULT: "fault",
    Power.DISCHARGING: "discharging",
}


def get_activity(car: Car) -> str:
    """What a car does in truth: driving, parked, charging, stopped, complete and so on."""
    if car.state.power is Power.UNPLUGGED:
        return "driving" if car.state.driving else "parked"
    return ACTIVITY_BY_POWER[car.state.power]


def apply_changes(car: Car, wish: VehicleChanges) -> Car:
    """The car after a hand changed what it wishes, everything at once. An activity or a power state pins it."""
    state = _set_values(car, wish)
    car = replace(car, state=state, reachable=car.reachable if wish.reachable is None else wish.reachable)
    if wish.interventions is not None:
        car = replace(car, interventions=tuple(INTERVENTIONS_BY_KEY[key].id for key in wish.interventions))
    if wish.activity is Activity.AUTO:
        stage, state = resume_routine(car.model.spec, state)
        car = replace(car, state=state, stage=stage, stage_seconds=0.0, pinned=False)
    elif wish.activity is not None:
        car = replace(car, state=ACTIVITY_TRANSITIONS[wish.activity](car.model.spec, state), pinned=True, order=None)
    if wish.power_delivery_state is not None:
        car = replace(car, state=with_power(car.state, wish.power_delivery_state), pinned=True, order=None)
    return car


def _set_values(car: Car, wish: VehicleChanges) -> CarState:
    state = car.state
    if wish.battery_level is not None:
        state = with_battery_percent(car.model.spec, state, wish.battery_level)
    return replace(
        state,
        limit_percent=state.limit_percent if wish.charge_limit is None else wish.charge_limit,
        max_current=state.max_current if wish.max_current is None else wish.max_current,
        odometer_km=state.odometer_km if wish.odometer is None else wish.odometer,
    )
