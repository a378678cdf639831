"""Enode's actions: commands to a car, from PENDING to their final state. Each change publishes an event."""

from dataclasses import replace

from demo.enode import events
from demo.enode.physics import Power
from demo.enode.problems import ProblemError, bad_request
from demo.enode.simulator import Simulator, render_action
from demo.enode.vehicle_view import list_updated_fields
from demo.enode.vendor_commands import send_command
from demo.enode.world import Action, Vehicle

REQUIRED_CAPABILITY = {"START": "startCharging", "STOP": "stopCharging"}
REFUSED_TITLE = "Cannot control charging"  # SIM: the titles of refusals are not published
ENERGY_FLOWS = frozenset({Power.INITIALIZING, Power.CHARGING, Power.DISCHARGING})
STARTABLE = frozenset({Power.STOPPED, Power.COMPLETE, Power.INITIALIZING, Power.CHARGING})


def start_charging_action(sim: Simulator, vehicle: Vehicle, kind: str) -> Action:
    """Create a START or STOP action, or return the pending one of the same kind. Another kind is cancelled.

    Raises the 400 of an incapable car or unnecessary command, and the 422 of smart charging.
    """
    if not vehicle.shown["capabilities"][REQUIRED_CAPABILITY[kind]]["isCapable"]:
        raise bad_request(f"The vehicle is not capable of {REQUIRED_CAPABILITY[kind]}.", title=REFUSED_TITLE)
    if vehicle.policy["isEnabled"] and vehicle.override is None and sim.get_car(vehicle).state.power.is_plugged_in:
        raise ProblemError(
            422, REFUSED_TITLE, "Smart charging controls the vehicle. Disable it, or create an override."
        )
    pending = sim.world.find_pending_action(vehicle.id)
    if pending is not None and pending.kind == kind:
        return pending
    if pending is None:
        _refuse_unnecessary(sim, vehicle, kind)
    else:
        _finish_action(sim, pending, "CANCELLED", "CONFLICT", "Another command took its place.")
    return _start_action(sim, vehicle, kind=kind)


def start_max_current_action(sim: Simulator, vehicle: Vehicle, amps: float) -> Action:
    """Create an action that limits a car's current, in A. Raises the 400 of an incapable car."""
    if not vehicle.shown["capabilities"]["setMaxCurrent"]["isCapable"]:
        raise bad_request("The vehicle is not capable of setMaxCurrent.", title="Cannot set max current")
    pending = sim.world.find_pending_action(vehicle.id)
    if pending is not None and pending.max_current == amps:
        return pending
    if pending is not None:
        _finish_action(sim, pending, "CANCELLED", "CONFLICT", "Another command took its place.")
    return _start_action(sim, vehicle, max_current=amps)


def cancel_pending_action(sim: Simulator, action: Action) -> Action:
    """Cancel an action. The command that was already sent to the car is not withdrawn."""
    return _finish_action(sim, action, "CANCELLED", "REQUESTED_CANCELLATION", "The action was cancelled on request.")


def finish_actions(sim: Simulator) -> None:
    """Finish all pending actions whose outcome is known."""
    for action in [action for action in sim.world.actions.values() if action.state == "PENDING"]:
        vehicle = sim.world.vehicles.get(action.vehicle_id)
        if vehicle is None:
            _finish_action(sim, action, "FAILED", "NOT_FOUND", "The vehicle is no longer linked.")
        elif _is_done(sim, action, vehicle):
            _finish_action(sim, action, "CONFIRMED")
        elif action.kind == "START" and sim.get_car(vehicle).state.power is Power.COMPLETE:
            _finish_action(sim, action, "CANCELLED", "UNNECESSARY", "The vehicle is fully charged.")
        elif unmet := _find_failed_precondition(sim, action, vehicle):
            _finish_action(sim, action, "CANCELLED", "FAILED_PRECONDITION", unmet)
        elif sim.clock.seconds >= action.deadline:
            _finish_action(sim, action, "FAILED", "NO_RESPONSE", "The vehicle did not respond in time.")


def _refuse_unnecessary(sim: Simulator, vehicle: Vehicle, kind: str) -> None:
    power = sim.get_car(vehicle).state.power
    if kind == "START" and power in ENERGY_FLOWS:
        raise bad_request("The vehicle is already charging.", title=REFUSED_TITLE)
    if kind == "START" and power.is_plugged_in and vehicle.shown["chargeState"]["isFullyCharged"]:
        raise bad_request("The vehicle is already fully charged.", title=REFUSED_TITLE)
    if kind == "STOP" and power not in ENERGY_FLOWS and power is not Power.UNKNOWN:
        raise bad_request("The vehicle is already not charging.", title=REFUSED_TITLE)


def _start_action(
    sim: Simulator, vehicle: Vehicle, *, kind: str | None = None, max_current: float | None = None
) -> Action:
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
    if unmet := _find_failed_precondition(sim, action, vehicle):
        # Enode's guide: an unmet condition that may change gives a cancelled action, not an error.
        return _finish_action(sim, action, "CANCELLED", "FAILED_PRECONDITION", unmet)
    sim.world.store_action(action)
    car = sim.get_car(vehicle)
    sim.world.cars[car.key] = send_command(car, kind or "MAX_CURRENT", sim.clock.seconds, max_current)
    # SIM: it isn't published whether Enode sends an event for the first state, too.
    _publish_action(sim, action, ["state"])
    return action


def _find_failed_precondition(sim: Simulator, action: Action, vehicle: Vehicle) -> str | None:
    car = sim.get_car(vehicle)
    if action.kind != "START" or not car.reachable:
        return None
    if not car.state.power.is_plugged_in:
        return "The vehicle is not plugged in."
    return None if car.state.power in STARTABLE else "The vehicle gets no power from the charger."


def _is_done(sim: Simulator, action: Action, vehicle: Vehicle) -> bool:
    car = sim.get_car(vehicle)
    if not sim.can_observe(vehicle) or car.order is not None:
        return False
    match action.kind:
        case "START":
            return car.state.power is Power.CHARGING
        case "STOP":
            return car.state.power not in ENERGY_FLOWS
        case _:
            return car.state.max_current == action.max_current


def _finish_action(sim: Simulator, action: Action, state: str, reason: str | None = None, detail: str = "") -> Action:
    now = sim.clock.now()
    failure = None if reason is None else {"type": reason, "detail": detail}
    ended = replace(action, state=state, failure_reason=failure, updated_at=now, completed_at=now)
    sim.world.store_action(ended)
    _publish_action(sim, ended, list_updated_fields(render_action(action), render_action(ended)))
    return ended


def _publish_action(sim: Simulator, action: Action, fields: list[str]) -> None:
    sim.publish_for_user(
        action.user_id, events.action_updated(sim.clock.next_timestamp(), render_action(action), fields)
    )
