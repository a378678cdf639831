"""What a car does when its vendor's cloud tells it something. Pure."""

from dataclasses import replace

from demo.enode.physics import CarState, Power, with_power
from demo.enode.world import Car, VendorCommand


def send_command(car: Car, kind: str, now: float, max_current: float | None = None) -> Car:
    """The car with an order on its way to it; an earlier one is forgotten."""
    due = now + car.model.response_seconds
    return replace(car, order=VendorCommand(kind=kind, max_current=max_current, due=due))


def execute_due_command(car: Car, now: float) -> Car:
    """The car after it did what was due. A car out of reach hears of it once it is back."""
    order = car.order
    if order is None or not car.reachable or now < order.due:
        return car
    return replace(car, state=_apply_command(car.state, order), order=None)


def _apply_command(state: CarState, order: VendorCommand) -> CarState:
    match order.kind:
        case "START" if state.power in {Power.STOPPED, Power.COMPLETE}:
            return with_power(state, Power.INITIALIZING)
        case "STOP" if state.power in {Power.INITIALIZING, Power.CHARGING, Power.DISCHARGING}:
            return with_power(state, Power.STOPPED)
        case "MAX_CURRENT" if order.max_current is not None:
            return replace(state, max_current=order.max_current)
        case _:
            return state
