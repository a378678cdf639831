"""What each of Enode's events means here: a table from its name to what to do, under the lock of the user's feed."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from itertools import chain, repeat
from typing import Literal
from uuid import UUID

from relay.gateways.enode import ChargeAction, EnodeProtocolError
from relay.gateways.enode.json_fields import JsonObject, parse_datetime, parse_object, parse_text
from relay.inbox.models import StoredEvent
from relay.kit.database import Connection
from relay.plans import SELF_HOSTED_PLANS, Plans
from relay.usecases.commands.update_state import get_action_outcome, record_command_outcome
from relay.usecases.feed.record_change import record_change
from relay.usecases.vehicles.limit_vehicles import apply_vehicle_limit, get_vehicle_capacity
from relay.vehicles import service
from relay.vehicles.charging.recording import record_charging
from relay.vehicles.models import SmartCharging, VehicleChange, VehicleReport


class MalformedEventError(Exception):
    """An event lacks what its name promises. Trying again would not help; the message repeats nothing of it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class AppliedEvent:
    """What an event came to. `told`: its user has something new to see."""

    state: Literal["done", "ignored"] = "done"
    reason: str | None = None
    has_updates: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class EventContext:
    """What it takes to act on an event about a user of ours."""

    connection: Connection
    event: StoredEvent
    user_id: UUID
    vin_key: bytes
    plans: Plans = SELF_HOSTED_PLANS

    async def apply_vehicle_report(self, report: VehicleReport) -> bool:
        """Enode shows a car: what that makes of it, and of its charging history."""
        *doubled, held = await service.apply_vehicle_report(self.connection, self.user_id, report, vin_key=self.vin_key)
        absorbed = doubled[0].after.id if doubled else None
        counted = await record_charging(self.connection, held.after, report, merged_vehicle_id=absorbed)
        told = await self.record_changes(doubled)
        told |= await self._record_change(held, has_energy_update=counted)
        return await self._enforce_vehicle_limit([*doubled, held]) or told

    async def record_changes(self, changes: list[VehicleChange]) -> bool:
        """Write what became of cars; True when the user has something new to see."""
        told = any([await self._record_change(it) for it in changes])
        return await self._enforce_vehicle_limit(changes) or told

    async def _enforce_vehicle_limit(self, changes: list[VehicleChange]) -> bool:
        """A car that came may be one too many, one that went leaves room for another."""
        if not any(it.has_presence_change for it in changes):
            return False
        room = await get_vehicle_capacity(self.connection, self.user_id, self.plans)
        return await apply_vehicle_limit(self.connection, self.user_id, room.limit)

    async def _record_change(self, change: VehicleChange, *, has_energy_update: bool = False) -> bool:
        live = not self.event.replayed
        return await record_change(
            self.connection, change, source_event_id=self.event.id, live=live, has_energy_update=has_energy_update
        )


type EventHandler = Callable[[EventContext], Awaitable[bool]]


async def apply_enode_event(
    connection: Connection, event: StoredEvent, *, vin_key: bytes, plans: Plans = SELF_HOSTED_PLANS
) -> AppliedEvent:
    """Act on an event; `plans` say how many vehicles are served.

    Raises MalformedEventError, and whatever goes wrong on the way: nothing must be kept then.
    """
    if event.name in WEBHOOK_SUBSCRIPTION_EVENTS:
        await _update_last_success(connection, event)
        return AppliedEvent()
    if event.name not in HANDLERS and event.name not in IRRELEVANT_EVENTS:
        return AppliedEvent(state="ignored", reason="unknown event")
    if event.user_id is None:
        return AppliedEvent(state="ignored", reason="unknown user")
    handler = HANDLERS.get(event.name)
    if handler is None:
        return AppliedEvent()
    context = EventContext(connection=connection, event=event, user_id=event.user_id, vin_key=vin_key, plans=plans)
    try:
        return AppliedEvent(has_updates=await handler(context))
    except service.ForeignVehicleError:
        return AppliedEvent(state="ignored", reason="vehicle of another user")


async def handle_vehicle_discovered(context: EventContext) -> bool:
    """A car was linked; Enode knows its name and little else."""
    sighting = _build_vehicle_report(context.event, _require_member(context.event, "vehicle"), partial=True)
    return await context.apply_vehicle_report(sighting)


async def handle_vehicle_updated(context: EventContext) -> bool:
    """A car as it is now. Comes before `discovered` at times."""
    sighting = _build_vehicle_report(context.event, _require_member(context.event, "vehicle"))
    return await context.apply_vehicle_report(sighting)


async def handle_vehicle_deleted(context: EventContext) -> bool:
    """A car was unlinked."""
    sighting = _build_vehicle_report(context.event, parse_object(context.event.payload, "vehicle") or {})
    return await context.record_changes(
        await service.apply_vehicle_deletion(context.connection, context.user_id, sighting, vin_key=context.vin_key)
    )


async def handle_credentials_invalidated(context: EventContext) -> bool:
    """The vendor does not let Enode in any more: its cars are there, but silent."""
    vendor = parse_text(context.event.payload, "vendor")
    if not vendor:
        raise MalformedEventError("no vendor")
    return await context.record_changes(
        await service.break_links(context.connection, context.user_id, vendor, context.event.created_at)
    )


async def handle_vendor_action_updated(context: EventContext) -> bool:
    """A command got further. Somebody else's action means nothing here."""
    try:
        action = ChargeAction.from_json(_require_member(context.event, "vendorAction"), context.event.name)
    except EnodeProtocolError as error:
        raise MalformedEventError("no action") from error
    outcome = get_action_outcome(action)
    outcome = replace(outcome, settled_at=outcome.settled_at or action.updated_at or context.event.created_at)
    # One action can stand for several commands, but an event makes each kind of transition of a car only once.
    sources = chain([context.event.id], repeat(None))
    moved = [
        await record_command_outcome(
            context.connection, command_id, outcome, source_event_id=source, live=not context.event.replayed
        )
        for command_id, source in zip(await _list_commands_for_action(context, action), sources, strict=False)
    ]
    return any(moved)


async def handle_charge_action_updated(context: EventContext) -> bool:
    """The same under its former name. Enode publishes no shape for it: without an action it says nothing."""
    return await handle_vendor_action_updated(context) if parse_object(context.event.payload, "vendorAction") else False


async def handle_smart_charging_status_updated(context: EventContext) -> bool:
    """Enode's smart charging got further with a car: its record shows that; what the car does, it says itself."""
    status = _require_member(context.event, "smartChargingStatus")
    enode_vehicle_id, state = parse_text(status, "vehicleId"), parse_text(status, "state")
    if not enode_vehicle_id or not state:
        raise MalformedEventError("no vehicle id or state")
    as_of = min(parse_datetime(status, "updatedAt") or context.event.created_at, context.event.created_at)
    smart = SmartCharging(state=state, since=parse_datetime(status, "stateChangedAt"), as_of=as_of)
    return await context.record_changes(
        await service.update_smart_charging(context.connection, context.user_id, enode_vehicle_id, smart)
    )


HANDLERS: Mapping[str, EventHandler] = {
    "user:vehicle:discovered": handle_vehicle_discovered,
    "user:vehicle:updated": handle_vehicle_updated,
    "user:vehicle:deleted": handle_vehicle_deleted,
    "user:credentials:invalidated": handle_credentials_invalidated,
    "user:vendor-action:updated": handle_vendor_action_updated,
    "user:charge-action:updated": handle_charge_action_updated,
    "user:vehicle:smart-charging-status-updated": handle_smart_charging_status_updated,
}
WEBHOOK_SUBSCRIPTION_EVENTS = frozenset({"system:heartbeat", "enode:webhook:test"})
IRRELEVANT_EVENTS = frozenset(
    {
        # Nobody makes schedules through us; what one does to a car, the car's own events say.
        "user:schedule:execution-updated",
        "user:inverter:statistics-updated",
    }
    | {
        f"user:{asset}:{happened}"
        for asset in ("charger", "hvac", "inverter", "battery", "meter", "hem-system")
        for happened in ("discovered", "updated", "deleted")
    }
)
"""Events that Enode documents and that say nothing about a car."""

# The webhook can beat Enode's own answer to us: then the command does not know its action yet. An event from before the
# request (give or take a clock) is not about it.
LIST_COMMANDS_FOR_ACTION = """
with by_action as (select id from commands where user_id = %(user_id)s and enode_action_id = %(action_id)s)
select id from by_action
union all
(select c.id from commands c join vehicle_links l on l.vehicle_id = c.vehicle_id
 where not exists (select from by_action) and c.user_id = %(user_id)s and l.enode_vehicle_id = %(target_id)s
   and c.kind = %(kind)s and c.amps is not distinct from %(amps)s::float8
   and c.state = 'sending' and c.enode_action_id is null
   and c.requested_at < %(created_at)s + interval '1 minute'
 order by c.requested_at desc limit 1)
"""


async def _list_commands_for_action(context: EventContext, action: ChargeAction) -> list[UUID]:
    cursor = await context.connection.execute(
        LIST_COMMANDS_FOR_ACTION,
        {
            "user_id": context.user_id,
            "action_id": action.id,
            "target_id": action.target_id,
            "kind": action.kind or "MAX_CURRENT",
            "amps": None if action.kind else action.max_current,
            "created_at": context.event.created_at,
        },
    )
    return [UUID(str(row[0])) for row in await cursor.fetchall()]


async def _update_last_success(connection: Connection, event: StoredEvent) -> None:
    await connection.execute(
        """
        update webhook_subscriptions set last_success = greatest(last_success, %s) where account_id = %s and is_active
        """,
        [event.created_at, event.account_id],
    )


def _require_member(event: StoredEvent, name: str) -> JsonObject:
    found = parse_object(event.payload, name)
    if found is None:
        raise MalformedEventError(f"no {name}")
    return found


def _build_vehicle_report(event: StoredEvent, vehicle: JsonObject, *, partial: bool = False) -> VehicleReport:
    if not event.enode_vehicle_id:
        raise MalformedEventError("no vehicle id")
    return VehicleReport(
        enode_vehicle_id=event.enode_vehicle_id,
        created_at=event.created_at,
        event_id=event.id,
        is_partial=partial,
        vehicle=vehicle,
    )
