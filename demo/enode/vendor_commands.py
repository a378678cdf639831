"""Commands of a vendor's cloud to a car. Pure functions."""

from dataclasses import replace

from demo.enode.physics import CarState, Power, with_power
from demo.enode.world import Car, VendorCommand


def send_command(car: Car, kind: str, now: float, max_current: float | None = None) -> Car:
    """Return the car with a command on its way. It replaces an earlier one."""
    due = now + car.model.response_seconds
    return replace(car, order=VendorCommand(kind=kind, max_current=max_current, due=due))


def execute_due_command(car: Car, now: float) -> Car:
    """Return the car after executing a due command. An unreachable car executes it when it is reachable again."""
    command = car.order
    if command is None or not car.reachable or now < command.due:
        return car
    return replace(car, state=_apply_command(car.state, command), order=None)


def _apply_command(state: CarState, command: VendorCommand) -> CarState:
    match command.kind:
        case "START" if state.power in {Power.STOPPED, Power.COMPLETE}:
            return with_power(state, Power.INITIALIZING)
        case "STOP" if state.power in {Power.INITIALIZING, Power.CHARGING, Power.DISCHARGING}:
            return with_power(state, Power.STOPPED)
        case "MAX_CURRENT" if command.max_current is not None:
            return replace(state, max_current=command.max_current)
        case _:
            return state
