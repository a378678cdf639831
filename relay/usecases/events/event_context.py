"""The context of the handlers of Enode's events: the event, its user, and methods that store what it changes."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from uuid import UUID

from relay.gateways.enode.json_fields import parse_object
from relay.inbox.models import StoredEvent
from relay.kit.database import Connection
from relay.kit.json_object import JsonObject
from relay.plans import SELF_HOSTED_PLANS, Plans
from relay.usecases.feed.record_change import record_change
from relay.usecases.vehicles.limit_vehicles import apply_vehicle_limit, get_vehicle_capacity
from relay.vehicles import service
from relay.vehicles.charging.recording import record_charging
from relay.vehicles.models import VehicleChange, VehicleReport

MAX_ID_LENGTH = 500
"""Of an id of Enode's, which are UUIDs. An index of the database can't hold much longer ones."""


class MalformedEventError(Exception):
    """An event lacks a member that its name requires. A retry would not help; the message quotes none of its data."""


@dataclass(frozen=True, kw_only=True, slots=True)
class EventContext:
    """An event about one of our users. Handlers run in a transaction that holds the lock of the user's feed."""

    connection: Connection
    event: StoredEvent
    user_id: UUID
    vin_key: bytes
    plans: Plans = SELF_HOSTED_PLANS

    async def apply_vehicle_report(self, report: VehicleReport) -> bool:
        """Apply a vehicle's state to the vehicle and its charging history; True if the user sees something new."""
        target = await service.find_report_target(self.connection, self.user_id, report, vin_key=self.vin_key)
        recorded = await record_charging(self.connection, target.vehicle, report, merged_vehicle_id=target.duplicate_id)
        *merged, reported = target.build_changes(recorded.plausibility)
        has_updates = await self.record_changes(merged)
        has_updates |= await self._record_change(reported, has_energy_update=recorded.has_energy_update)
        return await self._enforce_vehicle_limit([*merged, reported]) or has_updates

    async def record_changes(self, changes: list[VehicleChange]) -> bool:
        """Store changes of vehicles; True if the user sees something new."""
        has_updates = any([await self._record_change(change) for change in changes])
        return await self._enforce_vehicle_limit(changes) or has_updates

    async def _enforce_vehicle_limit(self, changes: list[VehicleChange]) -> bool:
        """Apply the plan's limit again after vehicles were added or removed."""
        if not any(change.has_presence_change for change in changes):
            return False
        capacity = await get_vehicle_capacity(self.connection, self.user_id, self.plans)
        return await apply_vehicle_limit(self.connection, self.user_id, capacity.limit)

    async def _record_change(self, change: VehicleChange, *, has_energy_update: bool = False) -> bool:
        live = not self.event.replayed
        return await record_change(
            self.connection, change, source_event_id=self.event.id, live=live, has_energy_update=has_energy_update
        )


type EventHandler = Callable[[EventContext], Awaitable[bool]]
"""Acts on an event; True if its user sees something new. Raises MalformedEventError, service.ForeignVehicleError."""


def require_member(event: StoredEvent, name: str) -> JsonObject:
    """Return an object in the event's payload. Raises MalformedEventError."""
    member = parse_object(event.payload, name)
    if member is None:
        raise MalformedEventError(f"no {name}")
    return member
