"""Turn vehicle lists read from Enode into inbox events, so that polled data takes the same path as webhooks."""

import logging
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import batched
from typing import Any
from uuid import UUID

from relay.gateways.enode import API_VERSION, VehicleObject, VehicleReading
from relay.inbox.models import InboxEvent, StoreResult
from relay.inbox.parser import MAX_EVENTS_PER_DELIVERY, parse_event
from relay.inbox.service import Inbox
from relay.kit.database import Pool

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class LinkedEnodeVehicle:
    """An Enode vehicle that we have as linked."""

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
    """Store what is new in a complete list of vehicles, of this user or of all, that was asked for at `began_at`.

    A car that we have as linked and that is not in the list is gone.
    """
    complete_at = min((reading.as_of for reading in readings), default=began_at)
    linked = await _list_linked_vehicles(pool, user_id)
    ours = await _list_existing_user_ids(pool, (reading.user_id for reading in readings))
    news = [_build_updated_event(it) for it in readings if it.user_id in ours and has_changed(it, linked.get(it.id))]
    present = {reading.id for reading in readings}
    news += [_build_deleted_event(it, complete_at) for enode_id, it in linked.items() if enode_id not in present]
    return await _store_events(inbox, news)


async def _list_linked_vehicles(pool: Pool, user_id: UUID | None) -> dict[str, LinkedEnodeVehicle]:
    async with pool.connection() as connection:
        rows: list[Any] = await (await connection.execute(LIST_LINKED_VEHICLES, {"user_id": user_id})).fetchall()
    return {
        enode_id: LinkedEnodeVehicle(user_id=owner, vehicle={**vehicle, "id": enode_id})
        for enode_id, owner, vehicle in rows
    }


async def _list_existing_user_ids(pool: Pool, user_ids: Iterable[str]) -> set[str]:
    async with pool.connection() as connection:
        cursor = await connection.execute(LIST_EXISTING_USER_IDS, [list(set(user_ids))])
        return {str(row[0]) for row in await cursor.fetchall()}


async def _store_events(inbox: Inbox, payloads: Collection[Mapping[str, Any]]) -> StoreResult:
    found = [parse_event(item) for item in payloads]
    events = [it for it in found if isinstance(it, InboxEvent)]
    for fault in {it for it in found if isinstance(it, str)}:
        log.warning("a vehicle that Enode listed is left out: %s", fault)
    receipts = [
        await inbox.store_events(some, source="poll") for some in batched(events, MAX_EVENTS_PER_DELIVERY, strict=False)
    ]
    return StoreResult(stored=sum(it.stored for it in receipts), known=sum(it.known for it in receipts))


def has_changed(reading: VehicleReading, linked: LinkedEnodeVehicle | None) -> bool:
    """Whether Enode says something that we do not have. What it no longer says at all, it said last."""
    if linked is None:
        return True
    return any(name not in linked.vehicle or linked.vehicle[name] != it for name, it in reading.vehicle.items())


def _build_updated_event(reading: VehicleReading) -> dict[str, Any]:
    return _build_event("updated", reading.user_id, reading.vehicle, reading.as_of) | {"updatedFields": []}


def _build_deleted_event(linked: LinkedEnodeVehicle, at: datetime) -> dict[str, Any]:
    return _build_event("deleted", str(linked.user_id), linked.vehicle, at)


def _build_event(kind: str, user_id: str, vehicle: VehicleObject, at: datetime) -> dict[str, Any]:
    """What Enode would have sent."""
    return {
        "event": f"user:vehicle:{kind}",
        "createdAt": at.astimezone(UTC).isoformat().replace("+00:00", "Z"),
        "version": API_VERSION,
        "user": {"id": user_id},
        "vehicle": dict(vehicle),
    }
