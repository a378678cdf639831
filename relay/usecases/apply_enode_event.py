"""What each of Enode's events means here: a table from its name to what to do, under the lock of the user's feed."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from itertools import chain, repeat
from typing import Literal
from uuid import UUID

from relay.gateways.enode import ChargeAction, EnodeProtocolError
from relay.gateways.enode.fields import JsonObject, member, moment, text
from relay.inbox.models import StoredEvent
from relay.kit.database import Connection
from relay.usecases.limit_vehicles import apply_vehicle_limit, room_of
from relay.usecases.move_command import move_command, outcome_of
from relay.usecases.tell_change import tell_change
from relay.vehicles import service
from relay.vehicles.charging_ledger import record
from relay.vehicles.limits import UNLIMITED, VehicleLimits
from relay.vehicles.models import Change, Sighting, SmartCharging


class MalformedEventError(Exception):
    """An event lacks what its name promises. Trying again would not help; the message repeats nothing of it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Applied:
    """What an event came to. `told`: its user has something new to see."""

    state: Literal["done", "ignored"] = "done"
    reason: str | None = None
    told: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Context:
    """What it takes to act on an event about a user of ours."""

    connection: Connection
    event: StoredEvent
    user_id: UUID
    vin_key: bytes
    limits: VehicleLimits = UNLIMITED

    async def see(self, sighting: Sighting) -> bool:
        """Enode shows a car: what that makes of it, and of its charging history."""
        *doubled, held = await service.see(self.connection, self.user_id, sighting, vin_key=self.vin_key)
        absorbed = doubled[0].after.id if doubled else None
        counted = await record(self.connection, held.after, sighting, absorbed=absorbed)
        told = await self.tell(doubled)
        told |= await self._tell(held, counted=counted)
        return await self._limit([*doubled, held]) or told

    async def tell(self, changes: list[Change]) -> bool:
        """Write what became of cars; True when the user has something new to see."""
        told = any([await self._tell(it) for it in changes])
        return await self._limit(changes) or told

    async def _limit(self, changes: list[Change]) -> bool:
        """A car that came may be one too many, one that went leaves room for another."""
        if not any(it.comes_or_goes for it in changes):
            return False
        room = await room_of(self.connection, self.user_id, self.limits)
        return await apply_vehicle_limit(self.connection, self.user_id, room.limit)

    async def _tell(self, change: Change, *, counted: bool = False) -> bool:
        live = not self.event.replayed
        return await tell_change(self.connection, change, source_event_id=self.event.id, live=live, counted=counted)


type Handler = Callable[[Context], Awaitable[bool]]


async def apply_enode_event(
    connection: Connection, event: StoredEvent, *, vin_key: bytes, limits: VehicleLimits = UNLIMITED
) -> Applied:
    """Act on an event; `limits` say how many cars are served.

    Raises MalformedEventError, and whatever goes wrong on the way: nothing must be kept then.
    """
    if event.name in OF_THE_SUBSCRIPTION:
        await _note_success(connection, event)
        return Applied()
    if event.name not in HANDLERS and event.name not in MEANINGLESS:
        return Applied(state="ignored", reason="unknown event")
    if event.user_id is None:
        return Applied(state="ignored", reason="unknown user")
    handler = HANDLERS.get(event.name)
    if handler is None:
        return Applied()
    context = Context(connection=connection, event=event, user_id=event.user_id, vin_key=vin_key, limits=limits)
    try:
        return Applied(told=await handler(context))
    except service.ForeignVehicleError:
        return Applied(state="ignored", reason="vehicle of another user")


async def discovered(it: Context) -> bool:
    """A car was linked; Enode knows its name and little else."""
    sighting = _sighting(it.event, _member(it.event, "vehicle"), partial=True)
    return await it.see(sighting)


async def updated(it: Context) -> bool:
    """A car as it is now. Comes before `discovered` at times."""
    sighting = _sighting(it.event, _member(it.event, "vehicle"))
    return await it.see(sighting)


async def deleted(it: Context) -> bool:
    """A car was unlinked."""
    sighting = _sighting(it.event, member(it.event.payload, "vehicle") or {})
    return await it.tell(await service.delete(it.connection, it.user_id, sighting, vin_key=it.vin_key))


async def credentials_invalidated(it: Context) -> bool:
    """The vendor does not let Enode in any more: its cars are there, but silent."""
    vendor = text(it.event.payload, "vendor")
    if not vendor:
        raise MalformedEventError("no vendor")
    return await it.tell(await service.break_links(it.connection, it.user_id, vendor, it.event.created_at))


async def vendor_action_updated(it: Context) -> bool:
    """A command got further. Somebody else's action means nothing here."""
    try:
        action = ChargeAction.read(_member(it.event, "vendorAction"), it.event.name)
    except EnodeProtocolError as error:
        raise MalformedEventError("no action") from error
    outcome = outcome_of(action)
    outcome = replace(outcome, settled_at=outcome.settled_at or action.updated_at or it.event.created_at)
    # One action can stand for several commands, but an event makes each kind of transition of a car only once.
    sources = chain([it.event.id], repeat(None))
    moved = [
        await move_command(it.connection, command_id, outcome, source_event_id=source, live=not it.event.replayed)
        for command_id, source in zip(await _commands_of(it, action), sources, strict=False)
    ]
    return any(moved)


async def charge_action_updated(it: Context) -> bool:
    """The same under its former name. Enode publishes no shape for it: without an action it says nothing."""
    return await vendor_action_updated(it) if member(it.event.payload, "vendorAction") else False


async def smart_charging_status_updated(it: Context) -> bool:
    """Enode's smart charging got further with a car: its record shows that; what the car does, it says itself."""
    status = _member(it.event, "smartChargingStatus")
    enode_vehicle_id, state = text(status, "vehicleId"), text(status, "state")
    if not enode_vehicle_id or not state:
        raise MalformedEventError("no vehicle id or state")
    as_of = min(moment(status, "updatedAt") or it.event.created_at, it.event.created_at)
    smart = SmartCharging(state=state, since=moment(status, "stateChangedAt"), as_of=as_of)
    return await it.tell(await service.note_smart_charging(it.connection, it.user_id, enode_vehicle_id, smart))


HANDLERS: Mapping[str, Handler] = {
    "user:vehicle:discovered": discovered,
    "user:vehicle:updated": updated,
    "user:vehicle:deleted": deleted,
    "user:credentials:invalidated": credentials_invalidated,
    "user:vendor-action:updated": vendor_action_updated,
    "user:charge-action:updated": charge_action_updated,
    "user:vehicle:smart-charging-status-updated": smart_charging_status_updated,
}
OF_THE_SUBSCRIPTION = frozenset({"system:heartbeat", "enode:webhook:test"})
MEANINGLESS = frozenset(
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
COMMANDS = """
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


async def _commands_of(it: Context, action: ChargeAction) -> list[UUID]:
    cursor = await it.connection.execute(
        COMMANDS,
        {
            "user_id": it.user_id,
            "action_id": action.id,
            "target_id": action.target_id,
            "kind": action.kind or "MAX_CURRENT",
            "amps": None if action.kind else action.max_current,
            "created_at": it.event.created_at,
        },
    )
    return [UUID(str(row[0])) for row in await cursor.fetchall()]


async def _note_success(connection: Connection, event: StoredEvent) -> None:
    await connection.execute(
        """
        update webhook_subscriptions set last_success = greatest(last_success, %s) where account_id = %s and is_active
        """,
        [event.created_at, event.account_id],
    )


def _member(event: StoredEvent, name: str) -> JsonObject:
    found = member(event.payload, name)
    if found is None:
        raise MalformedEventError(f"no {name}")
    return found


def _sighting(event: StoredEvent, vehicle: JsonObject, *, partial: bool = False) -> Sighting:
    if not event.enode_vehicle_id:
        raise MalformedEventError("no vehicle id")
    return Sighting(
        enode_vehicle_id=event.enode_vehicle_id,
        created_at=event.created_at,
        event_id=event.id,
        partial=partial,
        vehicle=vehicle,
    )
