"""Time passes: cars live their lives, Enode looks at them now and then, and tells what changed."""

import math
from dataclasses import replace

from demo.enode import events
from demo.enode.commands import settle_actions
from demo.enode.orders import obey
from demo.enode.physics import advance, stand_still
from demo.enode.routine import live
from demo.enode.sim import Simulator
from demo.enode.smart import reconsider
from demo.enode.view import KM_PER_DEGREE, news, observe, position
from demo.enode.world import Car, Vehicle

STEP_SECONDS = 30.0  # a long jump is walked in steps this short, so that looks and orders happen in their order
NEARBY_KM = 0.2


def pass_time(sim: Simulator, seconds: float) -> None:
    """Let simulated `seconds` pass, with all that happens in them."""
    while seconds > 0:
        step = min(seconds, STEP_SECONDS)
        _step(sim, step)
        seconds -= step


def look(sim: Simulator, vehicle_id: str) -> None:
    """Enode asks the vendor about a car now, and tells what changed."""
    vehicle = sim.world.vehicles[vehicle_id]
    before = vehicle.shown
    if sim.hears(vehicle):
        car = sim.car_of(vehicle)
        shown = observe(car, vehicle, valid=True, now=sim.clock.now(), place_id=_place_of(sim, vehicle, car))
        vehicle = replace(vehicle, shown=shown, seen_power=car.state.power)
    else:
        vehicle = sim.shown_now(vehicle)
    charging = vehicle.shown["chargeState"]["isCharging"]
    wait = sim.delays.look_charging if charging else sim.delays.look_idle
    vehicle = replace(vehicle, next_look=sim.clock.seconds + wait)
    sim.world.vehicles[vehicle_id] = vehicle
    if fields := news(before, vehicle.shown):
        sim.tell(vehicle.user_id, events.vehicle_updated(sim.clock.new_moment(), vehicle.shown, fields))
    reconsider(sim, vehicle_id)


def look_soon(sim: Simulator, vehicle: Vehicle, seconds: float) -> None:
    """Have Enode look at a car within simulated `seconds`."""
    soon = min(vehicle.next_look, sim.clock.seconds + seconds)
    sim.world.vehicles[vehicle.id] = replace(vehicle, next_look=soon)


def _step(sim: Simulator, seconds: float) -> None:
    sim.clock.advance(seconds)
    sim.world.seconds = sim.clock.seconds
    for key, car in sim.world.cars.items():
        sim.world.cars[key] = obey(_live(car, seconds, still=sim.sandbox), sim.clock.seconds)
    for vehicle in list(sim.world.vehicles.values()):
        if _wants_look(sim, vehicle):
            look(sim, vehicle.id)
    settle_actions(sim)


def _wants_look(sim: Simulator, vehicle: Vehicle) -> bool:
    if sim.clock.seconds >= vehicle.next_look:
        return True
    # Vendors push what happens at the plug; before the first look there is nothing to compare with.
    return vehicle.seen_power not in {None, sim.car_of(vehicle).state.power} and sim.hears(vehicle)


def _live(car: Car, seconds: float, *, still: bool) -> Car:
    build = car.model.build
    state = stand_still(build, car.state, seconds) if still else advance(build, car.state, seconds)
    car = replace(car, state=state, stage_seconds=car.stage_seconds + seconds)
    if car.pinned or still:
        return car
    following = live(build, car.state, car.stage, car.stage_seconds)
    if following is None:
        return car
    stage, state = following
    return replace(car, stage=stage, state=state, stage_seconds=0.0)


def _place_of(sim: Simulator, vehicle: Vehicle, car: Car) -> str | None:
    latitude, longitude = position(car)
    for place in sim.world.places.values():
        north = (place.latitude - latitude) * KM_PER_DEGREE
        east = (place.longitude - longitude) * KM_PER_DEGREE * math.cos(math.radians(latitude))
        if place.user_id == vehicle.user_id and math.hypot(north, east) <= NEARBY_KM:
            return place.id
    return None
