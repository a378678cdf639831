"""Cars: what Enode says of them, and what we know of them ourselves."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from relay.vehicles.display_name import select_display_members

type Json = Mapping[str, Any]
type GroupVersion = str
"""How new a value is; comparing the texts compares that (see merge.py)."""
type LinkState = Literal["ok", "broken", "over_limit"]


@dataclass(frozen=True, kw_only=True, slots=True)
class VehicleReport:
    """What one event says of a car. `partial`: a `discovered`, whose nulls mean that it does not know."""

    enode_vehicle_id: str
    created_at: datetime
    event_id: int
    is_partial: bool = False
    vehicle: Json = field(repr=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class VehicleState:
    """Enode's vehicle object as merged, and the version of each of its groups.

    `leaves` are members of a group that a partial sighting filled in after the group's own version.
    """

    groups: Json = field(default_factory=dict, repr=False)
    versions: Mapping[str, GroupVersion] = field(default_factory=dict)
    leaves: Mapping[str, Mapping[str, GroupVersion]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class ChargeFlags:
    """What transitions are told from. None: unknown."""

    plugged_in: bool | None = None
    charging: bool | None = None
    fault: bool | None = None
    # Full, or at its limit. Only asked of a car that has just stopped charging.
    complete: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class CorrectionOverlay:
    """What is shown instead of groups that a vendor is known to get wrong (see corrections.py).

    `overlay` holds whole groups; `names` say by which rules; `memory` is what those remember of earlier states.
    """

    overlay: Json = field(default_factory=dict, repr=False)
    names: tuple[str, ...] = ()
    memory: Json = field(default_factory=dict, repr=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class SmartCharging:
    """What Enode's smart charging does with a car, in Enode's word. `as_of`: when Enode said so."""

    state: str
    since: datetime | None
    as_of: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class Vehicle:
    """A car of a user, under the id that never changes. `revision` is its place in the user's feed."""

    id: UUID
    user_id: UUID
    revision: int = 0
    state: VehicleState = VehicleState()
    corrected: CorrectionOverlay = CorrectionOverlay()
    smart_charging: SmartCharging | None = None
    last_known: ChargeFlags = ChargeFlags()
    link_state: LinkState = "ok"
    link_since: datetime
    # Of a car beyond the limit only: since when its link is broken, None while it is not.
    broken_at: datetime | None = None
    vin_hash: bytes | None = field(default=None, repr=False)
    gone_at: datetime | None = None
    gone_reason: str | None = None
    # What is known of its charging, as stored; only charging_ledger.py reads it.
    ledger: Json | None = field(default=None, repr=False, compare=False)

    @property
    def corrected_groups(self) -> Json:
        """Enode's object as a user sees it, and as everything that follows from it is told."""
        overlay = self.corrected.overlay
        return {**self.state.groups, **overlay} if overlay else self.state.groups

    @property
    def visible_state(self) -> tuple[object, ...]:
        """What a user sees of it."""
        if self.link_state == "over_limit":
            return select_display_members(self.corrected_groups), self.link_state, self.link_since
        smart = self.smart_charging and (self.smart_charging.state, self.smart_charging.since)
        return self.corrected_groups, self.corrected.names, self.link_state, self.link_since, smart


@dataclass(frozen=True, kw_only=True, slots=True)
class VehicleLink:
    """An Enode vehicle that is, or was, a car of ours.

    `seen_at` and `ended_at` are the times of the newest events that showed it and that deleted it while it was not seen
    since. An older event never undoes a newer one, in whichever order they come.
    """

    enode_vehicle_id: str
    vehicle_id: UUID
    linked_at: datetime
    seen_at: datetime
    ended_at: datetime | None = None

    @property
    def is_live(self) -> bool:
        """Whether Enode still has it."""
        return self.ended_at is None


@dataclass(frozen=True, kw_only=True, slots=True)
class VehicleChange:
    """What became of a car by one event; `links` are those to be stored with it."""

    before: Vehicle | None
    after: Vehicle
    links: tuple[VehicleLink, ...] = ()
    transition_kinds: tuple[str, ...] = ()
    occurred_at: datetime

    @property
    def is_visible(self) -> bool:
        """Whether the user sees a difference."""
        was = None if self.before is None or self.before.gone_at else self.before.visible_state
        now = None if self.after.gone_at else self.after.visible_state
        return was != now

    @property
    def has_presence_change(self) -> bool:
        """Whether the car is there now and was not before, or the other way round."""
        was_there = self.before is not None and self.before.gone_at is None
        return was_there != (self.after.gone_at is None)
