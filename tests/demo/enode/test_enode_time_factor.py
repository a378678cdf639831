"""What a sped-up car reports, by the real clock of its timestamps: power, energy, time and distance agree."""

import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from demo.enode.catalogue import MODELS
from demo.enode.clock import Clock, format_timestamp
from demo.enode.daily_routine import Stage
from demo.enode.physics import CarState, Power, battery_percent, start_drive, with_battery_percent
from demo.enode.simulator import Delays, Simulator
from demo.enode.time_steps import advance_time
from demo.enode.vehicle_view import build_discovered_vehicle
from demo.enode.world import Car, Link, User, Vehicle, World
from tests.demo.enode.running_simulator import make_settings, run_signed_in_simulator

START = datetime(2026, 11, 29, 12, tzinfo=UTC)
SPEEDS = (1.0, 5.0, 20.0, 80.0)
TICK_SECONDS = 20.0
"""Simulated seconds."""


class StartedClock(Clock):
    """A clock whose real time passes exactly as fast as its speed says."""

    @property
    def real_time(self) -> datetime:
        return START + timedelta(seconds=self.seconds / self.speed)

    def now(self) -> str:
        return format_timestamp(self.real_time)

    def next_timestamp(self) -> str:
        return self.now()


class SpedUpCar:
    """A car and all events that Enode published about it, with their real times."""

    def __init__(self, model: str, speed: float) -> None:
        self.spec = MODELS[model].spec
        self.events = []
        self.clock = StartedClock(speed=speed)
        world = World(seed=1)
        self.sim = Simulator(world=world, clock=self.clock, delays=Delays(), publish=self._record)
        state = CarState(energy_kwh=0, odometer_km=1000, limit_percent=80, max_current=self.spec.amps)
        car = Car(
            key="car",
            model_key=model,
            vin="VIN",
            state=with_battery_percent(self.spec, state, 50),
            stage=Stage.AT_HOME,
            pinned=True,
        )
        vendor = MODELS[model].vendor
        vehicle = Vehicle(
            id="v",
            user_id="u",
            vendor=vendor,
            car_key="car",
            scopes=("vehicle:read:data", "vehicle:read:location", "vehicle:control:charging"),
            linked_at=self.clock.now(),
            shown={},
            next_look=0.0,
            policy={"isEnabled": False, "deadline": None, "minimumChargeLimit": 0},
            smart_changed_at="",
        )
        world.users["u"] = User(id="u", created_at="", links={vendor: Link(vendor=vendor)})
        world.cars["car"] = car
        world.vehicles["v"] = replace(vehicle, shown=build_discovered_vehicle(car, vehicle))

    @property
    def state(self) -> CarState:
        return self.sim.world.cars["car"].state

    def set_state(self, state: CarState) -> None:
        self.sim.world.cars["car"] = replace(self.sim.world.cars["car"], state=state)

    def pass_time(self, real_seconds: float) -> None:
        while real_seconds > 0:
            step = min(real_seconds, TICK_SECONDS / self.clock.speed)
            advance_time(self.sim, step * self.clock.speed)
            real_seconds -= step

    def _record(self, event) -> None:
        self.events.append((self.clock.real_time, event["vehicle"]))


@pytest.mark.parametrize("speed", SPEEDS)
@pytest.mark.parametrize("model", ["tesla-model-3", "volkswagen-id4"])
def test_power_over_real_time_is_the_energy_that_the_level_shows(model, speed):
    car = SpedUpCar(model, speed)
    car.set_state(replace(car.state, power=Power.CHARGING))
    car.pass_time(1)
    first = car.events[-1][1]["chargeState"]
    before_kwh, began = car.state.energy_kwh, car.clock.real_time
    while car.state.power is Power.CHARGING:
        car.pass_time(30 / speed)
    took = (car.clock.real_time - began).total_seconds()
    assert battery_percent(car.spec, car.state) == pytest.approx(80)
    readings = [(at, vehicle["chargeState"]["chargeRate"] or 0.0) for at, vehicle in car.events]
    hours = [(after - before).total_seconds() / 3600 for (before, _), (after, _) in pairwise(readings)]
    energy = sum(
        (rate + next_rate) / 2 * span
        for ((_, rate), (_, next_rate)), span in zip(pairwise(readings), hours, strict=True)
    )
    charged = car.state.energy_kwh - before_kwh
    assert energy == pytest.approx(charged, rel=0.03, abs=car.spec.battery_kwh / 100)
    assert first["chargeTimeRemaining"] == pytest.approx(took / 60, rel=0.03, abs=1.5)


@pytest.mark.parametrize("speed", SPEEDS)
@pytest.mark.parametrize("model", ["tesla-model-3", "xpeng-g6"])
def test_car_is_never_faster_by_the_real_clock_than_a_car_can_be(model, speed):
    car = SpedUpCar(model, speed)
    car.pass_time(1)
    car.set_state(start_drive(car.state))
    car.pass_time(1800 / speed)
    (began, first), *_, (ended, last) = car.events
    hours = (ended - began).total_seconds() / 3600
    driven = last["odometer"]["distance"] - first["odometer"]["distance"]
    cruise = min(car.spec.cruise_kmh * speed, 200)
    assert driven == pytest.approx(cruise * hours, abs=2)
    # The car drives on a circle, so the straight line is shorter than the distance, but not much after half an hour.
    north = (last["location"]["latitude"] - first["location"]["latitude"]) * 111.32
    east = (last["location"]["longitude"] - first["location"]["longitude"]) * 111.32 * math.cos(math.radians(52))
    assert 0.4 * driven - 2 <= math.hypot(north, east) <= driven + 2
    # Consumption is by simulated time.
    assert first["chargeState"]["batteryLevel"] > last["chargeState"]["batteryLevel"]


def test_change_of_speed_reports_the_power_of_the_new_speed_at_once():
    with run_signed_in_simulator(make_settings(speed=0.0)) as simulator:
        vehicle_id = simulator.link_car()
        simulator.change_car(vehicle_id, activity="charge", battery_level=40)

        def read_charge():
            return simulator.get_vehicle(vehicle_id)["chargeState"]

        stopped = read_charge()
        simulator.json("POST", "/_sim/clock", {"speed": 0.001})
        slow = read_charge()
    assert (stopped["chargeRate"], slow["chargeRate"]) == (11.0, 0.0)
    assert slow["chargeTimeRemaining"] == pytest.approx(stopped["chargeTimeRemaining"] * 1000, rel=0.02)
