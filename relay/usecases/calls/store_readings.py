"""Turn vehicle lists read from Enode into inbox events, so that polled data takes the same path as webhooks."""

import logging
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import batched
from typing import Any
from uuid import UUID

from psycopg.rows import dict_row, tuple_row

from relay.gateways.enode import API_VERSION, VehicleObject, VehicleReading
from relay.inbox.models import InboxEvent, StoreResult
from relay.inbox.parser import MAX_EVENTS_PER_DELIVERY, parse_event
from relay.inbox.service import Inbox
from relay.kit.database import Pool, fetch_all
from relay.vehicles.merge import find_unknown_members, is_unknown_while_unreachable
from relay.vehicles.object_limits import limit_members

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class LinkedEnodeVehicle:
    """An Enode vehicle that is linked in our database, with its stored state."""

    user_id: UUID
    vehicle: Mapping[str, Any]


LIST_LINKED_VEHICLES = """
select l.enode_vehicle_id, v.user_id, v.vehicle_cache from vehicle_links l join vehicles v on v.id = l.vehicle_id
join users u on u.id = v.user_id and u.closed_at is null
where l.ended_at is null and (%(user_id)s::uuid is null or v.user_id = %(user_id)s)
"""
LIST_EXISTING_USER_IDS = "select id::text from users where id::text = any (%s) and closed_at is null"


async def store_readings(
    pool: Pool, inbox: Inbox, readings: Collection[VehicleReading], *, began_at: datetime, user_id: UUID | None = None
) -> StoreResult:
    """Store the changes in a complete vehicle list of this user, or of all users, that was requested at `began_at`.

    A vehicle that is linked in our database but missing from the list is stored as deleted.
    """
    complete_at = min((reading.as_of for reading in readings), default=began_at)
    linked = await _list_linked_vehicles(pool, user_id)
    existing_users = await _list_existing_user_ids(pool, (reading.user_id for reading in readings))
    events = [
        _build_updated_event(reading)
        for reading in readings
        if reading.user_id in existing_users and has_changed(reading, linked.get(reading.id))
    ]
    listed_ids = {reading.id for reading in readings}
    events += [
        _build_deleted_event(vehicle, complete_at) for enode_id, vehicle in linked.items() if enode_id not in listed_ids
    ]
    return await store_event_payloads(inbox, events)


async def _list_linked_vehicles(pool: Pool, user_id: UUID | None) -> dict[str, LinkedEnodeVehicle]:
    async with pool.connection() as connection:
        rows = await fetch_all(connection, LIST_LINKED_VEHICLES, {"user_id": user_id}, dict_row)
    return {
        row["enode_vehicle_id"]: LinkedEnodeVehicle(
            user_id=row["user_id"], vehicle={**row["vehicle_cache"], "id": row["enode_vehicle_id"]}
        )
        for row in rows
    }


async def _list_existing_user_ids(pool: Pool, user_ids: Iterable[str]) -> set[str]:
    async with pool.connection() as connection:
        rows = await fetch_all(connection, LIST_EXISTING_USER_IDS, [list(set(user_ids))], tuple_row)
    return {row[0] for row in rows}


async def store_event_payloads(inbox: Inbox, payloads: Collection[Mapping[str, Any]]) -> StoreResult:
    """Store events that Enode's webhook would have sent. The same event again changes nothing."""
    parsed = [parse_event(item) for item in payloads]
    events = [event for event in parsed if isinstance(event, InboxEvent)]
    for fault in {item for item in parsed if isinstance(item, str)}:
        log.warning("vehicle in Enode's list skipped fault=%r", fault)
    results = [
        await inbox.store_events(batch, source="poll")
        for batch in batched(events, MAX_EVENTS_PER_DELIVERY, strict=False)
    ]
    return StoreResult(stored=sum(result.stored for result in results), known=sum(result.known for result in results))


def has_changed(reading: VehicleReading, linked: LinkedEnodeVehicle | None) -> bool:
    """Whether the reading has a value that is not stored.

    A member that the reading lacks counts as unchanged. So do a group that merging would ignore, and a member that is
    too large to be stored: they would be changes at every poll.
    """
    if linked is None:
        return True
    return any(
        name not in linked.vehicle
        or (linked.vehicle[name] != value and not _is_unchanged(name, linked.vehicle[name], reading.vehicle))
        for name, value in limit_members(dict(reading.vehicle)).items()
    )


def _is_unchanged(name: str, stored: object, vehicle: VehicleObject) -> bool:
    """Whether all that is known of a group while the vehicle can't be reached is stored."""
    if is_unknown_while_unreachable(name, vehicle):
        return True
    unknown, group = find_unknown_members(name, vehicle), vehicle[name]
    if not unknown or not isinstance(stored, dict):
        return False
    return all(stored.get(member, value) == value for member, value in group.items() if member not in unknown)


def _build_updated_event(reading: VehicleReading) -> dict[str, Any]:
    return _build_event("updated", reading.user_id, reading.vehicle, reading.as_of) | {"updatedFields": []}


def _build_deleted_event(linked: LinkedEnodeVehicle, at: datetime) -> dict[str, Any]:
    return _build_event("deleted", str(linked.user_id), linked.vehicle, at)


def _build_event(kind: str, user_id: str, vehicle: VehicleObject, at: datetime) -> dict[str, Any]:
    """Build the event that Enode's webhook would have sent."""
    return {
        "event": f"user:vehicle:{kind}",
        "createdAt": at.astimezone(UTC).isoformat().replace("+00:00", "Z"),
        "version": API_VERSION,
        "user": {"id": user_id},
        "vehicle": dict(vehicle),
    }
