"""Enode's actions: what a client asks of a car, from PENDING to its end, each change told."""

from dataclasses import replace

from demo.enode import events
from demo.enode.orders import give
from demo.enode.physics import Power
from demo.enode.problems import ProblemError, bad_request
from demo.enode.sim import Simulator, show_action
from demo.enode.view import news
from demo.enode.world import Action, Vehicle

CAPABILITY = {"START": "startCharging", "STOP": "stopCharging"}
REFUSED = "Cannot control charging"  # SIM: the titles of refusals are not published
FLOWING = frozenset({Power.INITIALIZING, Power.CHARGING, Power.DISCHARGING})
STARTABLE = frozenset({Power.STOPPED, Power.COMPLETE, Power.INITIALIZING, Power.CHARGING})


def request_charging(sim: Simulator, vehicle: Vehicle, kind: str) -> Action:
    """START or STOP a car. The same command again is the same action; another one cancels it. Raises 400 and 422."""
    if not vehicle.shown["capabilities"][CAPABILITY[kind]]["isCapable"]:
        raise bad_request(f"The vehicle is not capable of {CAPABILITY[kind]}.", title=REFUSED)
    if vehicle.policy["isEnabled"] and vehicle.override is None and sim.car_of(vehicle).state.power.plugged_in:
        raise ProblemError(422, REFUSED, "Smart charging controls the vehicle. Disable it, or create an override.")
    pending = sim.world.pending_action(vehicle.id)
    if pending is not None and pending.kind == kind:
        return pending
    if pending is None:
        _refuse_needless(sim, vehicle, kind)
    else:
        _end(sim, pending, "CANCELLED", "CONFLICT", "Another command took its place.")
    return _begin(sim, vehicle, kind=kind)


def request_max_current(sim: Simulator, vehicle: Vehicle, amps: float) -> Action:
    """Limit the current that a car takes, A. Raises the 400 of a car that cannot."""
    if not vehicle.shown["capabilities"]["setMaxCurrent"]["isCapable"]:
        raise bad_request("The vehicle is not capable of setMaxCurrent.", title="Cannot set max current")
    pending = sim.world.pending_action(vehicle.id)
    if pending is not None and pending.max_current == amps:
        return pending
    if pending is not None:
        _end(sim, pending, "CANCELLED", "CONFLICT", "Another command took its place.")
    return _begin(sim, vehicle, max_current=amps)


def cancel(sim: Simulator, action: Action) -> Action:
    """Stop waiting for an action. What was already sent to the car stays sent."""
    return _end(sim, action, "CANCELLED", "REQUESTED_CANCELLATION", "The action was cancelled on request.")


def settle_actions(sim: Simulator) -> None:
    """End the actions whose outcome is known by now."""
    for action in [it for it in sim.world.actions.values() if it.state == "PENDING"]:
        vehicle = sim.world.vehicles.get(action.vehicle_id)
        if vehicle is None:
            _end(sim, action, "FAILED", "NOT_FOUND", "The vehicle is no longer linked.")
        elif _is_done(sim, action, vehicle):
            _end(sim, action, "CONFIRMED")
        elif action.kind == "START" and sim.car_of(vehicle).state.power is Power.COMPLETE:
            _end(sim, action, "CANCELLED", "UNNECESSARY", "The vehicle is fully charged.")
        elif lost := _lost_precondition(sim, action, vehicle):
            _end(sim, action, "CANCELLED", "FAILED_PRECONDITION", lost)
        elif sim.clock.seconds >= action.deadline:
            _end(sim, action, "FAILED", "NO_RESPONSE", "The vehicle did not respond in time.")


def _refuse_needless(sim: Simulator, vehicle: Vehicle, kind: str) -> None:
    power = sim.car_of(vehicle).state.power
    if kind == "START" and power in FLOWING:
        raise bad_request("The vehicle is already charging.", title=REFUSED)
    if kind == "START" and power.plugged_in and vehicle.shown["chargeState"]["isFullyCharged"]:
        raise bad_request("The vehicle is already fully charged.", title=REFUSED)
    if kind == "STOP" and power not in FLOWING and power is not Power.UNKNOWN:
        raise bad_request("The vehicle is already not charging.", title=REFUSED)


def _begin(sim: Simulator, vehicle: Vehicle, *, kind: str | None = None, max_current: float | None = None) -> Action:
    now = sim.clock.now()
    action = Action(
        id=sim.world.new_id(),
        user_id=vehicle.user_id,
        vehicle_id=vehicle.id,
        kind=kind,
        max_current=max_current,
        state="PENDING",
        created_at=now,
        updated_at=now,
        deadline=sim.clock.seconds + sim.delays.action_timeout,
    )
    if lost := _lost_precondition(sim, action, vehicle):
        # Enode's guide: a condition that may yet change is no refusal but an action that is born cancelled.
        return _end(sim, action, "CANCELLED", "FAILED_PRECONDITION", lost)
    sim.world.keep_action(action)
    car = sim.car_of(vehicle)
    sim.world.cars[car.key] = give(car, kind or "MAX_CURRENT", sim.clock.seconds, max_current)
    # SIM: whether the first state is told as well is not published; every change of it is.
    _tell(sim, action, ["state"])
    return action


def _lost_precondition(sim: Simulator, action: Action, vehicle: Vehicle) -> str | None:
    car = sim.car_of(vehicle)
    if action.kind != "START" or not car.reachable:
        return None
    if not car.state.power.plugged_in:
        return "The vehicle is not plugged in."
    return None if car.state.power in STARTABLE else "The vehicle gets no power from the charger."


def _is_done(sim: Simulator, action: Action, vehicle: Vehicle) -> bool:
    car = sim.car_of(vehicle)
    if not sim.hears(vehicle) or car.order is not None:
        return False
    match action.kind:
        case "START":
            return car.state.power is Power.CHARGING
        case "STOP":
            return car.state.power not in FLOWING
        case _:
            return car.state.max_current == action.max_current


def _end(sim: Simulator, action: Action, state: str, reason: str | None = None, detail: str = "") -> Action:
    now = sim.clock.now()
    failure = None if reason is None else {"type": reason, "detail": detail}
    ended = replace(action, state=state, failure_reason=failure, updated_at=now, completed_at=now)
    sim.world.keep_action(ended)
    _tell(sim, ended, news(show_action(action), show_action(ended)))
    return ended


def _tell(sim: Simulator, action: Action, fields: list[str]) -> None:
    sim.tell(action.user_id, events.action_updated(sim.clock.new_moment(), show_action(action), fields))
