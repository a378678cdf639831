"""The simulator's records, held by `World`.

Records are immutable and get replaced. Their field names are the format of the state file.
"""

import uuid
from dataclasses import dataclass, field

from demo.enode.catalogue import MODELS, Model
from demo.enode.daily_routine import Stage
from demo.enode.interventions import NAMESPACE
from demo.enode.physics import CarState, Power
from demo.enode.problems import Json

MAX_ACTIONS = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class VendorCommand:
    """A command of a vendor's cloud that the car has not executed yet. `due` is a simulated second."""

    kind: str
    """START, STOP or MAX_CURRENT."""
    max_current: float | None = None
    due: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Car:
    """A physical car. Unlinking doesn't delete it: linking again finds the same car with the same VIN."""

    key: str
    model_key: str
    vin: str
    state: CarState
    stage: Stage
    stage_seconds: float = 0.0
    pinned: bool = False
    """The control API has set its activity, which suspends its daily routine."""
    reachable: bool = True
    interventions: tuple[str, ...] = ()
    """Ids of the interventions raised through the control API."""
    order: VendorCommand | None = None

    @property
    def model(self) -> Model:
        """The car's model."""
        return MODELS[self.model_key]


@dataclass(frozen=True, slots=True, kw_only=True)
class Vehicle:
    """Enode's record of a linked car. `shown` is the vehicle object as of Enode's last poll."""

    id: str
    user_id: str
    vendor: str
    car_key: str
    scopes: tuple[str, ...]
    linked_at: str
    shown: Json
    next_look: float
    """Simulated second of Enode's next poll of the vendor."""
    seen_power: Power | None = None
    """The power state at Enode's last poll; None before the first."""
    policy: Json
    """The smart charging policy."""
    override: Json | None = None
    """The active smart override."""
    smart_state: str = "DISABLED"
    smart_changed_at: str
    plan: Json | None = None
    """The smart charging plan, as Enode renders it, until the next one."""
    plan_starts: float = 0.0
    """Simulated second at which the plan starts to charge."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A user's account at one vendor."""

    vendor: str
    is_valid: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """A user of the client; the client chooses the id."""

    id: str
    created_at: str
    links: dict[str, Link] = field(default_factory=dict)
    authorized: bool = True
    """False after the user was deauthorized: data stays, but Enode neither polls nor sends events."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkSession:
    """A link page that a client requested. Single use, valid until `expires_at` (real seconds since 1970)."""

    token: str
    user_id: str
    scopes: tuple[str, ...]
    redirect_uri: str
    color_scheme: str
    expires_at: float
    vendor: str | None = None
    consented: bool = False
    relinks: bool = False
    """Created to sign in again to an account that is already linked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """Enode's record of a command. `kind` is START or STOP, or None for a `max_current` command."""

    id: str
    user_id: str
    vehicle_id: str
    kind: str | None = None
    max_current: float | None = None
    state: str
    failure_reason: Json | None = None
    created_at: str
    updated_at: str
    completed_at: str | None = None
    deadline: float
    """Simulated second at which a pending action fails."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookSubscription:
    """A webhook subscription."""

    id: str
    url: str
    secret: str = field(repr=False)
    events: tuple[str, ...]
    api_version: str | None
    header_name: str | None = None
    header_value: str | None = field(default=None, repr=False)
    is_active: bool = True
    last_success: str
    created_at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """A batch of events on its way to a webhook. `state`: pending, delivered or failed."""

    id: str
    webhook_id: str
    created_at: str
    events: tuple[Json, ...]
    state: str = "pending"
    attempts: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldEvent:
    """An event that is held back until `behind` later events have overtaken it."""

    event: Json
    behind: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookQueue:
    """The undelivered events of one webhook subscription, in order."""

    waiting: tuple[Json, ...] = ()
    current: Delivery | None = None
    held: tuple[HeldEvent, ...] = ()
    """Events held back by delivery faults."""
    failing_since: float | None = None
    """Simulated second of the first failure since the last success."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Location:
    """A named location of a user."""

    id: str
    user_id: str
    name: str
    latitude: float
    longitude: float
    timezone_name: str
    created_at: str


@dataclass(slots=True, kw_only=True)
class World:
    """All records; the content of a state file."""

    seed: int
    ids_given: int = 0
    seconds: float = 0.0
    """Simulated seconds since the world was created."""
    users: dict[str, User] = field(default_factory=dict)
    cars: dict[str, Car] = field(default_factory=dict)
    vehicles: dict[str, Vehicle] = field(default_factory=dict)
    sessions: dict[str, LinkSession] = field(default_factory=dict)
    actions: dict[str, Action] = field(default_factory=dict)
    webhooks: dict[str, WebhookSubscription] = field(default_factory=dict)
    queues: dict[str, WebhookQueue] = field(default_factory=dict)
    places: dict[str, Location] = field(default_factory=dict)
    tariffs: dict[str, list[Json]] = field(default_factory=dict)
    schedules: dict[str, Json] = field(default_factory=dict)
    """The tariff of each location, by its id: the body of the request that set it."""

    def clear(self) -> None:
        """Delete all records. Ids are still never given twice."""
        for records in (
            self.users,
            self.cars,
            self.vehicles,
            self.sessions,
            self.actions,
            self.webhooks,
            self.queues,
            self.places,
            self.tariffs,
            self.schedules,
        ):
            records.clear()

    def new_id(self) -> str:
        """Return an unused UUID. Worlds with the same seed return the same sequence."""
        self.ids_given += 1
        return str(uuid.uuid5(NAMESPACE, f"{self.seed}/{self.ids_given}"))

    def store_action(self, action: Action) -> None:
        """Store an action, and delete the oldest ones beyond MAX_ACTIONS."""
        self.actions[action.id] = action
        while len(self.actions) > MAX_ACTIONS:
            del self.actions[next(iter(self.actions))]

    def find_pending_action(self, vehicle_id: str) -> Action | None:
        """Find the pending action of a vehicle; there is at most one."""
        return next(
            (
                action
                for action in self.actions.values()
                if action.vehicle_id == vehicle_id and action.state == "PENDING"
            ),
            None,
        )
