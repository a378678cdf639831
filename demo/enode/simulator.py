"""The running simulator: world, clock, delays and the publisher of events."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from demo.enode.clock import Clock
from demo.enode.problems import Json
from demo.enode.vehicle_view import build_unobserved_vehicle
from demo.enode.world import Action, Car, Vehicle, World


@dataclass(frozen=True, slots=True, kw_only=True)
class Delays:
    """Enode's delays in simulated seconds. SIM, except the two polling intervals, which Enode documents."""

    poll_charging: float = 120.0
    poll_idle: float = 420.0
    first_poll: float = 5.0
    """From `discovered` to the first `updated`."""
    hinted_poll: float = 3.0
    """From a refresh hint to the poll."""
    action_timeout: float = 1800.0
    heartbeat: float = 300.0
    min_heartbeat_interval: float = 10.0
    """Minimum real seconds between two heartbeats at any clock speed."""
    answer_timeout: float = 5.0
    """Real seconds in which a webhook must answer a delivery; Enode documents 5."""
    retry_delays: tuple[float, ...] = (5, 15, 30, 60, 120, 300, 600)
    """Delay before each further delivery attempt; the last value repeats."""
    give_up_after: float = 86_400.0
    """How long a webhook may fail before it is deactivated; Enode documents 24 h, and 5 minutes in the sandbox."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulator:
    """World, clock, delays and the publisher of events, as all parts of the simulator share them."""

    world: World
    clock: Clock
    delays: Delays
    publish: Callable[[Json], None]
    """Queues an event for all webhook subscriptions that include it."""
    sandbox: bool = False
    """Behave as Enode's sandbox: no value changes by itself, and smart charging is refused."""

    def publish_for_user(self, user_id: str, event: Json) -> None:
        """Publish an event of a user unless the user was deauthorized."""
        user = self.world.users.get(user_id)
        if user is not None and user.authorized:
            self.publish(event)

    def get_car(self, vehicle: Vehicle) -> Car:
        """Return the physical car of a vehicle record."""
        return self.world.cars[vehicle.car_key]

    def is_sign_in_valid(self, vehicle: Vehicle) -> bool:
        """Return whether the vendor still accepts the sign-in through which Enode reads this car."""
        user = self.world.users[vehicle.user_id]
        link = user.links.get(vehicle.vendor)
        return user.authorized and link is not None and link.is_valid

    def can_observe(self, vehicle: Vehicle) -> bool:
        """Return whether Enode can read this car now."""
        return self.is_sign_in_valid(vehicle) and self.get_car(vehicle).reachable

    def refresh_without_vendor(self, vehicle: Vehicle) -> Vehicle:
        """Return the record with the values that need no vendor poll: reachability, capabilities, policy."""
        vehicle_object = build_unobserved_vehicle(self.get_car(vehicle), vehicle, valid=self.is_sign_in_valid(vehicle))
        return replace(vehicle, shown=vehicle_object)


def render_action(action: Action) -> dict[str, object]:
    """Render an action as Enode does."""
    details: Json = {"kind": action.kind}
    if action.kind is None:
        details = {"targetState": {"maxCurrent": action.max_current}}
    return {
        "id": action.id,
        "userId": action.user_id,
        "createdAt": action.created_at,
        "updatedAt": action.updated_at,
        "completedAt": action.completed_at,
        "state": action.state,
        "targetId": action.vehicle_id,
        "targetType": "vehicle",
        **details,
        "failureReason": action.failure_reason,
    }
