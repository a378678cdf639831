"""Vehicles: their state as Enode reports it, and what the relay stores about them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal
from uuid import UUID

from relay.kit.json_object import JsonObject
from relay.vehicles.display_name import select_display_members

type GroupVersion = str
"""The version of a value; a newer one is greater as text (see merge.py)."""
type LinkState = Literal["ok", "broken", "over_limit"]


@dataclass(frozen=True, kw_only=True, slots=True)
class VehicleReport:
    """One event's report of a vehicle. `is_partial` marks a `discovered` event, whose nulls mean "unknown"."""

    enode_vehicle_id: str
    created_at: datetime
    event_id: int
    is_partial: bool = False
    vehicle: JsonObject = field(repr=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class VehicleState:
    """Enode's vehicle object as merged from all reports, and the version of each of its groups.

    `leaves` has the versions of members that a partial report added to a group after the group's own version.
    """

    groups: JsonObject = field(default_factory=dict, repr=False)
    versions: Mapping[str, GroupVersion] = field(default_factory=dict)
    leaves: Mapping[str, Mapping[str, GroupVersion]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class ChargeFlags:
    """The flags from which transitions are detected. None is unknown."""

    plugged_in: bool | None = None
    charging: bool | None = None
    fault: bool | None = None
    # Full, or at the charge limit. Only used for a vehicle that has just stopped charging.
    complete: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class CorrectionOverlay:
    """Corrections of a vehicle's state (see corrections.py).

    `overlay` has the whole groups to show instead, `names` the rules that applied, `memory` what the rules keep of
    earlier states. `held_since` is when the level that is held was first reported; None while none is. At `review_at`
    something else is shown, even if the vehicle reports nothing.
    """

    overlay: JsonObject = field(default_factory=dict, repr=False)
    names: tuple[str, ...] = ()
    memory: JsonObject = field(default_factory=dict, repr=False)
    held_since: datetime | None = None
    review_at: datetime | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class SmartCharging:
    """Enode's smart charging state of a vehicle, with Enode's name for it. `as_of` is the time of Enode's event.

    `plan` has times and costs of the current plan, ready for the record. `is_overridden`: the vehicle charges now
    regardless of the plan.
    """

    state: str
    since: datetime | None
    as_of: datetime
    plan: JsonObject | None = None
    is_overridden: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Vehicle:
    """A user's vehicle. Its `id` never changes. `revision` is the position of its last change in the user's feed."""

    id: UUID
    user_id: UUID
    revision: int = 0
    state: VehicleState = VehicleState()
    corrected: CorrectionOverlay = CorrectionOverlay()
    smart_charging: SmartCharging | None = None
    last_known: ChargeFlags = ChargeFlags()
    link_state: LinkState = "ok"
    link_since: datetime
    # Since when the link of a vehicle over the limit is broken; None while it works, and for any other vehicle.
    broken_at: datetime | None = None
    vin_hash: bytes | None = field(default=None, repr=False)
    gone_at: datetime | None = None
    gone_reason: str | None = None
    # The row of vehicle_energy as JSON; only relay.vehicles.charging reads it.
    ledger: JsonObject | None = field(default=None, repr=False, compare=False)

    @property
    def corrected_groups(self) -> JsonObject:
        """Enode's vehicle object with corrections applied, as users, transitions and charging sessions see it."""
        overlay = self.corrected.overlay
        return {**self.state.groups, **overlay} if overlay else self.state.groups

    @property
    def visible_state(self) -> tuple[object, ...]:
        """Everything about the vehicle that a user can see, for comparison."""
        if self.link_state == "over_limit":
            return select_display_members(self.corrected_groups), self.link_state, self.link_since
        smart = self.smart_charging and (
            *(self.smart_charging.state, self.smart_charging.since),
            *(self.smart_charging.plan, self.smart_charging.is_overridden),
        )
        return self.corrected_groups, self.corrected.names, self.link_state, self.link_since, smart


@dataclass(frozen=True, kw_only=True, slots=True)
class VehicleLink:
    """The link between an Enode vehicle and one of our vehicles, live or ended.

    `seen_at` is the time of the newest event that reported the Enode vehicle, `ended_at` that of the newest event that
    deleted it, None if it was seen later. An older event never overrides a newer one, whatever their order of arrival.
    """

    enode_vehicle_id: str
    vehicle_id: UUID
    linked_at: datetime
    seen_at: datetime
    ended_at: datetime | None = None

    @property
    def is_live(self) -> bool:
        """Whether Enode still has the vehicle."""
        return self.ended_at is None


@dataclass(frozen=True, kw_only=True, slots=True)
class VehicleChange:
    """The change of a vehicle by one event. `links` are the links to store with it."""

    before: Vehicle | None
    after: Vehicle
    links: tuple[VehicleLink, ...] = ()
    transition_kinds: tuple[str, ...] = ()
    occurred_at: datetime
    # Whether the vehicle got an Enode id that it didn't have before; its record lists them.
    has_new_link: bool = False

    @property
    def is_visible(self) -> bool:
        """Whether the user can see a difference."""
        before = None if self.before is None or self.before.gone_at else self.before.visible_state
        after = None if self.after.gone_at else self.after.visible_state
        return before != after or (after is not None and self.has_new_link)

    @property
    def has_presence_change(self) -> bool:
        """Whether the vehicle appeared or disappeared."""
        was_present = self.before is not None and self.before.gone_at is None
        return was_present != (self.after.gone_at is None)
