"""Apply one of Enode's events: a table of handlers by event name, run under the lock of the user's feed."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, LiteralString

from relay.inbox.models import StoredEvent
from relay.kit.clock_skew import cap_reported_column
from relay.kit.database import Connection
from relay.plans import SELF_HOSTED_PLANS, Plans
from relay.usecases.events.action_events import handle_charge_action_updated, handle_vendor_action_updated
from relay.usecases.events.event_context import EventContext, EventHandler
from relay.usecases.events.vehicle_events import (
    handle_credentials_invalidated,
    handle_smart_charging_status_updated,
    handle_vehicle_deleted,
    handle_vehicle_discovered,
    handle_vehicle_updated,
)
from relay.vehicles.service import ForeignVehicleError

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
        # The relay makes no schedules. What another client's schedule does to a vehicle, the vehicle's events report.
        "user:schedule:execution-updated",
        "user:inverter:statistics-updated",
    }
    | {
        f"user:{asset}:{change}"
        for asset in ("charger", "hvac", "inverter", "battery", "meter", "hem-system")
        for change in ("discovered", "updated", "deleted")
    }
)
"""Documented events that carry no vehicle data. They are marked as done without effect."""

# A stored time in the future is from an earlier release, or from a clock that was ahead.
UPDATE_LAST_SUCCESS: LiteralString = f"""
update webhook_subscriptions set last_success = greatest({cap_reported_column("last_success")}, %s)
where account_id = %s and is_active
"""  # noqa: S608 - our own constant


@dataclass(frozen=True, kw_only=True, slots=True)
class AppliedEvent:
    """The result of an event. `has_updates`: its user has something new to see."""

    state: Literal["done", "ignored"] = "done"
    reason: str | None = None
    has_updates: bool = False


async def apply_enode_event(
    connection: Connection, event: StoredEvent, *, vin_key: bytes, plans: Plans = SELF_HOSTED_PLANS
) -> AppliedEvent:
    """Apply an event. `plans` limit how many vehicles are served.

    Raises MalformedEventError, psycopg.Error and anything else that goes wrong: the caller must then roll back.
    """
    if event.name in WEBHOOK_SUBSCRIPTION_EVENTS:
        await connection.execute(UPDATE_LAST_SUCCESS, [event.created_at, event.account_id])
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
    except ForeignVehicleError:
        return AppliedEvent(state="ignored", reason="vehicle of another user")
