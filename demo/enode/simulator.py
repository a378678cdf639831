"""The running world: what is remembered, what time it is, and where news goes."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from demo.enode.clock import Clock
from demo.enode.problems import Json
from demo.enode.vehicle_view import build_unobserved_vehicle
from demo.enode.world import Action, Car, Vehicle, World


@dataclass(frozen=True, slots=True, kw_only=True)
class Delays:
    """Enode's delays in simulated seconds. All SIM but the two intervals of looking, which Enode documents."""

    poll_charging: float = 120.0
    poll_idle: float = 420.0
    first_poll: float = 5.0
    """From `discovered` to the first `updated`."""
    hinted_poll: float = 3.0
    """From a refresh hint to the look."""
    action_timeout: float = 1800.0
    heartbeat: float = 300.0
    min_heartbeat_interval: float = 10.0
    """Real seconds between two heartbeats, however fast the clock runs."""
    answer_timeout: float = 5.0
    """Real seconds that a webhook has to take a delivery; Enode documents 5."""
    retry_delays: tuple[float, ...] = (5, 15, 30, 60, 120, 300, 600)
    """Before each further attempt of a delivery; the last one repeats."""
    give_up_after: float = 86_400.0
    """How long a webhook may fail before it is switched off; Enode documents 24 h, and 5 minutes in the sandbox."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulator:
    """What every story needs: the world, its clock, its delays, and the door out for events."""

    world: World
    clock: Clock
    delays: Delays
    publish: Callable[[Json], None]
    """Takes an event for all webhooks that want it."""
    sandbox: bool = False
    """As in Enode's sandbox: values do not move by themselves, and smart charging is refused."""

    def publish_for_user(self, user_id: str, event: Json) -> None:
        """Send a user's event, unless the user was deauthorized."""
        user = self.world.users.get(user_id)
        if user is not None and user.authorized:
            self.publish(event)

    def get_car(self, vehicle: Vehicle) -> Car:
        """The physical car behind a record of Enode's."""
        return self.world.cars[vehicle.car_key]

    def is_sign_in_valid(self, vehicle: Vehicle) -> bool:
        """Whether the vendor still accepts the sign-in through which Enode sees this car."""
        user = self.world.users[vehicle.user_id]
        link = user.links.get(vehicle.vendor)
        return user.authorized and link is not None and link.is_valid

    def can_observe(self, vehicle: Vehicle) -> bool:
        """Whether Enode can learn about this car now."""
        return self.is_sign_in_valid(vehicle) and self.get_car(vehicle).reachable

    def refresh_without_vendor(self, vehicle: Vehicle) -> Vehicle:
        """The record with what Enode knows without asking the vendor: reachability, capabilities, policy."""
        shown = build_unobserved_vehicle(self.get_car(vehicle), vehicle, valid=self.is_sign_in_valid(vehicle))
        return replace(vehicle, shown=shown)


def render_action(action: Action) -> dict[str, object]:
    """The action as Enode writes it."""
    what: Json = {"kind": action.kind}
    if action.kind is None:
        what = {"targetState": {"maxCurrent": action.max_current}}
    return {
        "id": action.id,
        "userId": action.user_id,
        "createdAt": action.created_at,
        "updatedAt": action.updated_at,
        "completedAt": action.completed_at,
        "state": action.state,
        "targetId": action.vehicle_id,
        "targetType": "vehicle",
        **what,
        "failureReason": action.failure_reason,
    }
