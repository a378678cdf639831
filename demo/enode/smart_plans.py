"""Smart charging plans: stop charging at the plug, and start again so that the car is ready by its deadline.

SIM: Enode's own plans follow prices, whose source isn't published. Here, prices are lowest two hours after plugging in.
"""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from demo.enode.clock import format_timestamp
from demo.enode.physics import CarSpec, CarState, Power, battery_percent, max_charge_kw, minutes_to_limit
from demo.enode.problems import Json
from demo.enode.simulator import Simulator
from demo.enode.vendor_commands import send_command
from demo.enode.world import Car, Vehicle

CHEAPEST_AFTER_SECONDS = 7200.0
MARGIN_SECONDS = 900.0
"""A plan finishes this much before the deadline."""
CURRENCY = "EUR"
MARKET_PRICE = 0.30
"""Of a kWh while prices are high."""
LOW_PRICE_SHARE = 0.4
ENERGY_FLOWS = frozenset({Power.INITIALIZING, Power.CHARGING})


def advance_plan(sim: Simulator, vehicle: Vehicle) -> tuple[Vehicle, str | None]:
    """Advance the vehicle's plan, and return the vehicle and the state of its plan; None while it has none.

    A plan needs a Location: without one, Enode knows neither price nor time zone.
    """
    car, plan = sim.get_car(vehicle), vehicle.plan
    power = car.state.power
    if not vehicle.policy["isEnabled"]:
        return replace(vehicle, plan=None), None
    if plan is not None and plan["endedAt"] is not None:
        # The next plan begins with the next plug-in.
        if power.is_plugged_in is (plan["finalState"] == "PLAN:ENDED:FINISHED"):
            return vehicle, plan["finalState"]
        plan = None
    if plan is None:
        if not _is_plannable(vehicle, car):
            return replace(vehicle, plan=None), None
        wait = get_wait_seconds(sim, vehicle, minutes_to_limit(car.model.spec, car.state) * 60)
        plan = _create_plan(sim, vehicle, car, wait)
        vehicle = replace(vehicle, plan=plan, plan_starts=sim.clock.seconds + wait)
    if final_state := _find_final_state(power):
        ended = {**plan, "endedAt": sim.clock.now(), "finalState": final_state}
        return replace(vehicle, plan=ended, override=None), final_state
    if vehicle.override is not None:
        return vehicle, "PLAN:EXECUTING:OVERRIDDEN"
    return _execute(sim, vehicle, car, plan)


def _is_plannable(vehicle: Vehicle, car: Car) -> bool:
    """Whether the car is plugged in at a Location, not full, and above the level up to which it charges at once."""
    spec, state = car.model.spec, car.state
    level = battery_percent(spec, state)
    return (
        state.power in {Power.INITIALIZING, Power.CHARGING, Power.STOPPED}
        and vehicle.shown["location"]["id"] is not None
        and vehicle.policy["minimumChargeLimit"] <= level < state.limit_percent
        and car.reachable
    )


def _find_final_state(power: Power) -> str | None:
    if not power.is_plugged_in:
        return "PLAN:ENDED:UNPLUGGED"
    return "PLAN:ENDED:FINISHED" if power is Power.COMPLETE else None


def _execute(sim: Simulator, vehicle: Vehicle, car: Car, plan: Json) -> tuple[Vehicle, str]:
    """Send the command of the plan's present part, and return the state."""
    is_charging = car.state.power in ENERGY_FLOWS
    has_started = sim.clock.seconds >= vehicle.plan_starts
    if has_started == is_charging:
        confirmed = "startConfirmedAt" if has_started else "stopConfirmedAt"
        if plan[confirmed] is None:
            plan = {**plan, confirmed: sim.clock.now()}
        return replace(vehicle, plan=plan), "PLAN:EXECUTING:STARTED" if has_started else "PLAN:EXECUTING:STOPPED"
    kind = "START" if has_started else "STOP"
    is_commanded = car.order is not None and car.order.kind == kind
    if not is_commanded and sim.world.find_pending_action(vehicle.id) is None:
        sim.world.cars[car.key] = send_command(car, kind, sim.clock.seconds)
    return vehicle, "PLAN:EXECUTING:STARTING" if has_started else "PLAN:EXECUTING:STOPPING"


def _create_plan(sim: Simulator, vehicle: Vehicle, car: Car, wait: float) -> Json:
    """Create a plan. Its times are those of the real clock, by which the car lives `time_factor` times as fast."""
    spec, state = car.model.spec, car.state
    factor = sim.clock.time_factor
    now = datetime.now(UTC)
    start = now + timedelta(seconds=wait / factor)
    finish = start + timedelta(minutes=minutes_to_limit(spec, state) / factor)
    price = _find_price(sim, vehicle)
    cost = _compute_energy(spec, state) * price
    return {
        "id": sim.world.new_id(),
        "vehicleId": vehicle.id,
        "userId": vehicle.user_id,
        "locationId": vehicle.shown["location"]["id"],
        "vendor": vehicle.vendor,
        "currency": CURRENCY,
        "nonSmartCost": round(cost, 2),
        "smartCost": round(cost * LOW_PRICE_SHARE, 2),
        "stopAt": format_timestamp(now),
        "startAt": format_timestamp(start),
        "estimatedFinishAt": format_timestamp(finish),
        "stopConfirmedAt": None,
        "startConfirmedAt": None,
        "endedAt": None,
        "finalState": None,
        "failureCondition": None,
    }


def get_wait_seconds(sim: Simulator, vehicle: Vehicle, needed_seconds: float) -> float:
    """Return the simulated seconds until a new plan starts to charge, for a charge that takes `needed_seconds`."""
    deadline = find_next_deadline(vehicle.policy["deadline"], _get_time_zone(sim, vehicle), datetime.now(UTC))
    available = (deadline - datetime.now(UTC)).total_seconds() * sim.clock.time_factor
    latest = available - needed_seconds - MARGIN_SECONDS
    return min(max(0.0, latest), CHEAPEST_AFTER_SECONDS)


def find_next_deadline(deadline: str, time_zone: str, now: datetime) -> datetime:
    """Return the next time at which it is `deadline` (HH:MM, 24:00 is midnight) in the time zone."""
    hour, minute = divmod(int(deadline[:2]) * 60 + int(deadline[3:]), 60)
    local = now.astimezone(ZoneInfo(time_zone))
    next_time = local.replace(hour=hour % 24, minute=minute, second=0, microsecond=0)
    return next_time if next_time > local else next_time + timedelta(days=1)


def _get_time_zone(sim: Simulator, vehicle: Vehicle) -> str:
    location = sim.world.places.get(vehicle.shown["location"]["id"] or "")
    return "UTC" if location is None else location.timezone_name


def _find_price(sim: Simulator, vehicle: Vehicle) -> float:
    """Return the first rate of the Location's tariff, or else the market's."""
    schedule = sim.world.schedules.get(vehicle.shown["location"]["id"] or "")
    rates = sim.world.tariffs.get(schedule["tariffId"], []) if schedule and schedule["tariffIntervals"] else []
    return float(rates[0]["cost"]) if rates else MARKET_PRICE


def _compute_energy(spec: CarSpec, state: CarState) -> float:
    if max_charge_kw(spec, state) <= 0:
        return 0.0
    return spec.battery_kwh * max(0.0, state.limit_percent - battery_percent(spec, state)) / 100
