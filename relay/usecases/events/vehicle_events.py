"""Handlers of Enode's events about vehicles, and about the vendor accounts that they are linked through."""

from relay.gateways.enode.json_fields import parse_datetime, parse_object, parse_text
from relay.inbox.models import StoredEvent
from relay.kit.json_object import JsonObject
from relay.usecases.events.event_context import MAX_ID_LENGTH, EventContext, MalformedEventError, require_member
from relay.vehicles import service
from relay.vehicles.models import SmartCharging, VehicleReport
from relay.vehicles.object_limits import limit_members
from relay.vehicles.smart_charging import is_override_active, render_plan

MAX_STATE_LENGTH = 100


async def handle_vehicle_discovered(context: EventContext) -> bool:
    """Add a vehicle that was linked. The event carries its name and little else."""
    report = _build_vehicle_report(context.event, require_member(context.event, "vehicle"), partial=True)
    return await context.apply_vehicle_report(report)


async def handle_vehicle_updated(context: EventContext) -> bool:
    """Apply a vehicle's full state. The event can arrive before `discovered`."""
    report = _build_vehicle_report(context.event, require_member(context.event, "vehicle"))
    return await context.apply_vehicle_report(report)


async def handle_vehicle_deleted(context: EventContext) -> bool:
    """Remove a vehicle that was unlinked."""
    report = _build_vehicle_report(context.event, parse_object(context.event.payload, "vehicle") or {})
    return await context.record_changes(
        await service.apply_vehicle_deletion(context.connection, context.user_id, report, vin_key=context.vin_key)
    )


async def handle_credentials_invalidated(context: EventContext) -> bool:
    """Mark the links to a vendor as broken: it rejects Enode's credentials, so its vehicles get no updates."""
    vendor = parse_text(context.event.payload, "vendor")
    if not vendor:
        raise MalformedEventError("no vendor")
    return await context.record_changes(
        await service.break_links(context.connection, context.user_id, vendor, context.event.created_at)
    )


async def handle_smart_charging_status_updated(context: EventContext) -> bool:
    """Store a vehicle's smart charging state. The vehicle's own events report what the vehicle does."""
    status = require_member(context.event, "smartChargingStatus")
    enode_vehicle_id, state = parse_text(status, "vehicleId"), parse_text(status, "state")
    if not enode_vehicle_id or not state or len(state) > MAX_STATE_LENGTH:
        raise MalformedEventError("no vehicle id, or no state of a possible length")
    as_of = min(parse_datetime(status, "updatedAt") or context.event.created_at, context.event.created_at)
    changed_at = parse_datetime(status, "stateChangedAt")
    since = None if changed_at is None else min(changed_at, context.event.created_at)
    smart_charging = SmartCharging(
        state=state,
        since=since,
        as_of=as_of,
        plan=render_plan(parse_object(status, "plan")),
        is_overridden=is_override_active(parse_object(status, "smartOverride")),
    )
    return await context.record_changes(
        await service.update_smart_charging(context.connection, context.user_id, enode_vehicle_id, smart_charging)
    )


def _build_vehicle_report(event: StoredEvent, vehicle: JsonObject, *, partial: bool = False) -> VehicleReport:
    if not event.enode_vehicle_id or len(event.enode_vehicle_id) > MAX_ID_LENGTH:
        raise MalformedEventError("no vehicle id, or one that is too long")
    return VehicleReport(
        enode_vehicle_id=event.enode_vehicle_id,
        created_at=event.created_at,
        event_id=event.id,
        is_partial=partial,
        vehicle=limit_members(vehicle),
    )
