"""Advance simulated time: move the cars, poll them as Enode does, and publish what changed."""

import math
from dataclasses import replace

from demo.enode import events
from demo.enode.actions import finish_actions
from demo.enode.daily_routine import advance_routine
from demo.enode.physics import advance_car, advance_sandbox_car
from demo.enode.simulator import Simulator
from demo.enode.smart_charging import update_smart_charging_status
from demo.enode.vehicle_view import (
    KM_PER_DEGREE,
    build_observed_vehicle,
    get_distance_share,
    get_position,
    list_updated_fields,
)
from demo.enode.vendor_commands import execute_due_command
from demo.enode.world import Car, Vehicle

STEP_SECONDS = 30.0  # longest step of a jump, so that polls and commands happen in order
NEARBY_KM = 0.2


def advance_time(sim: Simulator, seconds: float) -> None:
    """Advance by simulated `seconds`, with everything that happens in them."""
    while seconds > 0:
        step = min(seconds, STEP_SECONDS)
        _step(sim, step)
        seconds -= step


def poll_vehicle(sim: Simulator, vehicle_id: str) -> None:
    """Poll the vendor for a vehicle now, and publish an event if values changed."""
    vehicle = sim.world.vehicles[vehicle_id]
    before = vehicle.shown
    if sim.can_observe(vehicle):
        car = sim.get_car(vehicle)
        vehicle_object = build_observed_vehicle(
            car,
            vehicle,
            valid=True,
            now=sim.clock.now(),
            location_id=_find_location_id(sim, vehicle, car),
            time_factor=sim.clock.time_factor,
        )
        vehicle = replace(vehicle, shown=vehicle_object, seen_power=car.state.power)
    else:
        vehicle = sim.refresh_without_vendor(vehicle)
    charging = vehicle.shown["chargeState"]["isCharging"]
    interval = sim.delays.poll_charging if charging else sim.delays.poll_idle
    vehicle = replace(vehicle, next_look=sim.clock.seconds + interval)
    sim.world.vehicles[vehicle_id] = vehicle
    if fields := list_updated_fields(before, vehicle.shown):
        sim.publish_for_user(vehicle.user_id, events.vehicle_updated(sim.clock.next_timestamp(), vehicle.shown, fields))
    update_smart_charging_status(sim, vehicle_id)


def request_poll(sim: Simulator, vehicle: Vehicle, seconds: float) -> None:
    """Schedule the next poll of a vehicle within simulated `seconds`."""
    next_poll = min(vehicle.next_look, sim.clock.seconds + seconds)
    sim.world.vehicles[vehicle.id] = replace(vehicle, next_look=next_poll)


def _step(sim: Simulator, seconds: float) -> None:
    sim.clock.advance(seconds)
    sim.world.seconds = sim.clock.seconds
    for key, car in sim.world.cars.items():
        sim.world.cars[key] = execute_due_command(_advance_car(sim, car, seconds), sim.clock.seconds)
    for vehicle in list(sim.world.vehicles.values()):
        if _is_poll_due(sim, vehicle):
            poll_vehicle(sim, vehicle.id)
        elif vehicle.plan is not None:
            update_smart_charging_status(sim, vehicle.id)
    finish_actions(sim)


def _is_poll_due(sim: Simulator, vehicle: Vehicle) -> bool:
    if sim.clock.seconds >= vehicle.next_look:
        return True
    # Vendors push changes at the plug; before the first poll there is nothing to compare with.
    return vehicle.seen_power not in {None, sim.get_car(vehicle).state.power} and sim.can_observe(vehicle)


def _advance_car(sim: Simulator, car: Car, seconds: float) -> Car:
    spec = car.model.spec
    state = advance_sandbox_car(spec, car.state, seconds) if sim.sandbox else advance_car(spec, car.state, seconds)
    driven_km = (state.odometer_km - car.state.odometer_km) * get_distance_share(spec, sim.clock.time_factor)
    state = replace(state, odometer_km=car.state.odometer_km + driven_km)
    car = replace(car, state=state, stage_seconds=car.stage_seconds + seconds)
    if car.pinned or sim.sandbox:
        return car
    advanced = advance_routine(spec, car.state, car.stage, car.stage_seconds)
    if advanced is None:
        return car
    stage, state = advanced
    return replace(car, stage=stage, state=state, stage_seconds=0.0)


def _find_location_id(sim: Simulator, vehicle: Vehicle, car: Car) -> str | None:
    latitude, longitude = get_position(car, sim.clock.time_factor)
    for location in sim.world.places.values():
        north = (location.latitude - latitude) * KM_PER_DEGREE
        east = (location.longitude - longitude) * KM_PER_DEGREE * math.cos(math.radians(latitude))
        if location.user_id == vehicle.user_id and math.hypot(north, east) <= NEARBY_KM:
            return location.id
    return None
