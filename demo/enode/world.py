"""Everything that this world remembers. Records are replaced, never changed; `World` holds them."""

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
    """What a vendor's cloud has sent to a car and the car has not yet done. Due at a simulated second."""

    kind: str
    """START, STOP or MAX_CURRENT."""
    max_current: float | None = None
    due: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Car:
    """A physical car. It outlives links: who unlinks and links again finds the same car, with the same VIN."""

    key: str
    model_key: str
    vin: str
    state: CarState
    stage: Stage
    stage_seconds: float = 0.0
    pinned: bool = False
    """Somebody commanded it through the control surface; its daily life rests."""
    reachable: bool = True
    interventions: tuple[str, ...] = ()
    """Ids of those that were raised by hand."""
    order: VendorCommand | None = None

    @property
    def model(self) -> Model:
        """What kind of car it is."""
        return MODELS[self.model_key]


@dataclass(frozen=True, slots=True, kw_only=True)
class Vehicle:
    """Enode's record of a linked car. `shown` is the vehicle object as Enode last learned it."""

    id: str
    user_id: str
    vendor: str
    car_key: str
    scopes: tuple[str, ...]
    linked_at: str
    shown: Json
    next_look: float
    """Simulated second at which Enode next asks the vendor."""
    seen_power: Power | None = None
    """The power state at Enode's last look; None before the first."""
    policy: Json
    """The smart charging policy."""
    override: Json | None = None
    """The running smart override."""
    smart_state: str = "DISABLED"
    smart_changed_at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A user's account at one vendor."""

    vendor: str
    is_valid: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """One of the client's users, by the client's own id."""

    id: str
    created_at: str
    links: dict[str, Link] = field(default_factory=dict)
    authorized: bool = True
    """False after the user was deauthorized: data stays, nothing new is learned or told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkSession:
    """A link page that was asked for. Single use, good until `expires_at` (real seconds since 1970)."""

    token: str
    user_id: str
    scopes: tuple[str, ...]
    redirect_uri: str
    color_scheme: str
    expires_at: float
    vendor: str | None = None
    consented: bool = False
    relinks: bool = False
    """Made to sign in again to an account that is already linked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """Enode's record of a command. `kind` for START and STOP, `max_current` for the other kind."""

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
    """Simulated second after which nobody waits for the car any more."""


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
    """An event that is kept back until so many later ones went by."""

    event: Json
    behind: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookQueue:
    """What a webhook has yet to hear, in order."""

    waiting: tuple[Json, ...] = ()
    current: Delivery | None = None
    held: tuple[HeldEvent, ...] = ()
    """Kept back by mischief."""
    failing_since: float | None = None
    """Simulated second of the first failure since the last success."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Location:
    """An Enode location: a named place of a user."""

    id: str
    user_id: str
    name: str
    latitude: float
    longitude: float
    timezone_name: str
    created_at: str


@dataclass(slots=True, kw_only=True)
class World:
    """The whole of it; this is what a state file holds."""

    seed: int
    ids_given: int = 0
    seconds: float = 0.0
    """Simulated seconds since the world began."""
    users: dict[str, User] = field(default_factory=dict)
    cars: dict[str, Car] = field(default_factory=dict)
    vehicles: dict[str, Vehicle] = field(default_factory=dict)
    sessions: dict[str, LinkSession] = field(default_factory=dict)
    actions: dict[str, Action] = field(default_factory=dict)
    webhooks: dict[str, WebhookSubscription] = field(default_factory=dict)
    queues: dict[str, WebhookQueue] = field(default_factory=dict)
    places: dict[str, Location] = field(default_factory=dict)

    def clear(self) -> None:
        """Forget all records; ids are not given twice all the same."""
        for records in (
            self.users,
            self.cars,
            self.vehicles,
            self.sessions,
            self.actions,
            self.webhooks,
            self.queues,
            self.places,
        ):
            records.clear()

    def new_id(self) -> str:
        """A UUID that this world has not given before; the same one in each world of the same seed."""
        self.ids_given += 1
        return str(uuid.uuid5(NAMESPACE, f"{self.seed}/{self.ids_given}"))

    def store_action(self, action: Action) -> None:
        """Remember an action, and forget the oldest when there are many."""
        self.actions[action.id] = action
        while len(self.actions) > MAX_ACTIONS:
            del self.actions[next(iter(self.actions))]

    def find_pending_action(self, vehicle_id: str) -> Action | None:
        """The one action that a vehicle is busy with."""
        return next((it for it in self.actions.values() if it.vehicle_id == vehicle_id and it.state == "PENDING"), None)
