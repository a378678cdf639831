"""Changes of a car through the control API, and the activity it reports. Pure functions."""

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
    """An activity that the control API can set. It lasts until another one is set; AUTO resumes the daily routine."""

    DRIVE = "drive"
    PARK = "park"
    PLUG_IN = "plug_in"
    UNPLUG = "unplug"
    CHARGE = "charge"
    STOP = "stop"
    AUTO = "auto"


class VehicleChanges(BaseModel):
    """Body of POST /_sim/vehicles/{id}. Absent members stay unchanged."""

    model_config = ConfigDict(extra="forbid", strict=True)

    activity: Activity | None = None
    """drive, park, plug_in, unplug, charge, stop; auto resumes the daily routine."""
    power_delivery_state: Power | None = None
    """Set one of Enode's states, such as PLUGGED_IN:FAULT."""
    battery_level: float | None = Field(default=None, ge=0, le=100)
    charge_limit: float | None = Field(default=None, ge=1, le=100)
    max_current: float | None = Field(default=None, ge=1, le=100)
    odometer: float | None = Field(default=None, ge=0, le=10_000_000)
    """km; not less than the present value."""
    reachable: bool | None = None
    credentials_valid: bool | None = None
    """False: the vendor rejects the user's sign-in, for all cars of the account."""
    interventions: list[str] | None = None
    """Keys of the interventions that block this car's capabilities; an empty list clears them."""

    @field_validator("interventions")
    @classmethod
    def _check_intervention_keys(cls, keys: list[str] | None) -> list[str] | None:
        if keys is not None and not set(keys) <= INTERVENTIONS_BY_KEY.keys():
            raise ValueError(f"must be among {', '.join(INTERVENTIONS_BY_KEY)}")
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
    """Return what a car really does: driving, parked, charging, stopped, complete and so on."""
    if car.state.power is Power.UNPLUGGED:
        return "driving" if car.state.driving else "parked"
    return ACTIVITY_BY_POWER[car.state.power]


def apply_changes(car: Car, changes: VehicleChanges) -> Car:
    """Return the car with all changes. An activity or a power state pins it."""
    state = _set_values(car, changes)
    car = replace(car, state=state, reachable=car.reachable if changes.reachable is None else changes.reachable)
    if changes.interventions is not None:
        car = replace(car, interventions=tuple(INTERVENTIONS_BY_KEY[key].id for key in changes.interventions))
    if changes.activity is Activity.AUTO:
        stage, state = resume_routine(car.model.spec, state)
        car = replace(car, state=state, stage=stage, stage_seconds=0.0, pinned=False)
    elif changes.activity is not None:
        car = replace(car, state=ACTIVITY_TRANSITIONS[changes.activity](car.model.spec, state), pinned=True, order=None)
    if changes.power_delivery_state is not None:
        car = replace(car, state=with_power(car.state, changes.power_delivery_state), pinned=True, order=None)
    return car


def _set_values(car: Car, changes: VehicleChanges) -> CarState:
    state = car.state
    if changes.battery_level is not None:
        state = with_battery_percent(car.model.spec, state, changes.battery_level)
    return replace(
        state,
        limit_percent=state.limit_percent if changes.charge_limit is None else changes.charge_limit,
        max_current=state.max_current if changes.max_current is None else changes.max_current,
        odometer_km=state.odometer_km if changes.odometer is None else changes.odometer,
    )
