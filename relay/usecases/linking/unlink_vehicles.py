"""Unlink vehicles. Enode only unlinks a whole vendor account with all its vehicles, so a confirmation is required."""

import logging
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, LiteralString, TypedDict
from uuid import UUID

from fastapi import APIRouter, Query
from psycopg.rows import class_row, tuple_row

from relay.feed.sequence import advance_feed
from relay.gateways.enode import EnodeClient, EnodeError, EnodeNotFound
from relay.kit.database import Connection, fetch_all
from relay.kit.problems import Problem
from relay.plans import Plans
from relay.usecases.calls.authorize import authenticate_caller
from relay.usecases.calls.resolve_credential import CredentialDependency
from relay.usecases.calls.runtime import Runtime, RuntimeDependency
from relay.usecases.feed.record_change import record_change
from relay.usecases.vehicles.limit_vehicles import apply_vehicle_limit, get_vehicle_capacity
from relay.vehicles import service
from relay.vehicles.display_name import get_display_name
from relay.vehicles.lookup import MATCHES_ID, build_lookup_parameters
from relay.vehicles.models import VehicleReport

log = logging.getLogger(__name__)

LIST_SAME_VENDOR: LiteralString = f"""
select v.id, v.vendor, v.vehicle_cache as vehicle,
       array(select l.enode_vehicle_id from vehicle_links l
             where l.vehicle_id = v.id and l.ended_at is null) as enode_vehicle_ids
from vehicles v
where v.user_id = %(user_id)s and v.gone_at is null and v.vendor = (
    select v.vendor from vehicles v where v.user_id = %(user_id)s and v.gone_at is null and {MATCHES_ID})
order by v.created_at, v.id
"""  # noqa: S608 - our own constants
# Without vehicles that were unlinked or linked again meanwhile: those have another Enode id.
LIST_LIVE_LINKS: LiteralString = """
select l.enode_vehicle_id, l.seen_at, v.vehicle_cache from vehicle_links l join vehicles v on v.id = l.vehicle_id
where v.user_id = %s and l.enode_vehicle_id = any (%s) and l.ended_at is null order by l.enode_vehicle_id
"""
UNKNOWN_VENDOR = "UNKNOWN"

router = APIRouter(prefix="/api/user")


@dataclass(frozen=True, kw_only=True, slots=True)
class UnlinkCandidate:
    """A vehicle that is unlinked together with its vendor account."""

    id: UUID
    vendor: str
    vehicle: dict[str, Any]
    enode_vehicle_ids: list[str]

    @property
    def name(self) -> str:
        """A name for people."""
        return get_display_name(self.vehicle)


class UnlinkedVehicle(TypedDict):
    """An unlinked vehicle, with our id."""

    id: str
    name: str


class UnlinkRecord(TypedDict):
    """The vendor whose account was unlinked, and the vehicles unlinked with it."""

    vendor: str
    vehicles: list[UnlinkedVehicle]


@router.delete("/vehicles/{vehicle_id}", response_model=None, responses={200: {"model": UnlinkRecord}})
async def delete_vehicle(
    vehicle_id: str,
    runtime: RuntimeDependency,
    authorization: CredentialDependency,
    *,
    confirm: Annotated[bool, Query(description="Unlink all vehicles that the response without it lists.")] = False,
) -> UnlinkRecord:
    """Unlink a vehicle's vendor account and all its vehicles. Costs no call. Without `confirm`: 409 with their list."""
    async with runtime.pool.connection() as connection:
        call = await authenticate_caller(connection, authorization, scope="control")
        runtime.rate_limiter.check(call.caller.rate_limit_key)
        candidates = await list_unlink_candidates(connection, call.caller.user_id, vehicle_id)
    vehicles: list[UnlinkedVehicle] = [{"id": str(candidate.id), "name": candidate.name} for candidate in candidates]
    if not confirm:
        detail = "This unlinks all cars of the vendor account. Repeat the request with confirm=true to unlink them."
        raise Problem(409, "confirm-required", detail, vendor=candidates[0].vendor, vehicles=vehicles)
    if runtime.enode is None:
        detail = "This relay has no access to Enode. Ask its operator to configure Enode's credentials."
        raise Problem(502, "enode-unavailable", detail)
    await unlink_vehicles(runtime, runtime.enode, call.caller.user_id, candidates)
    return {"vendor": candidates[0].vendor, "vehicles": vehicles}


async def list_unlink_candidates(connection: Connection, user_id: UUID, vehicle_id: str) -> list[UnlinkCandidate]:
    """The vehicles that are unlinked with this one (our id or Enode's), itself included. Raises Problem 404."""
    parameters = build_lookup_parameters(user_id, vehicle_id)
    candidates = await fetch_all(connection, LIST_SAME_VENDOR, parameters, class_row(UnlinkCandidate))
    if not candidates:
        raise Problem(404, "not-found", "No such vehicle.")
    return candidates


async def unlink_vehicles(runtime: Runtime, enode: EnodeClient, user_id: UUID, vehicles: list[UnlinkCandidate]) -> None:
    """Unlink these vehicles of one vendor account, first at Enode and then here. Idempotent.

    After an interruption between the two, Enode's own event or the next attempt completes it. Raises Problem 502 when
    Enode doesn't respond; nothing is changed here then.
    """
    await disconnect_vendor(enode, user_id, vehicles[0].vendor)
    async with runtime.pool.connection() as connection, connection.transaction():
        ids = [enode_vehicle_id for vehicle in vehicles for enode_vehicle_id in vehicle.enode_vehicle_ids]
        is_visible = await mark_vehicles_deleted(
            connection, user_id, ids, vin_key=runtime.secret_key, plans=runtime.plans
        )
    if is_visible:
        runtime.feed_waker.wake([user_id])


async def disconnect_vendor(enode: EnodeClient, user_id: UUID, vendor: str) -> None:
    """Disconnect the user's account at this vendor from Enode, if it is connected. Raises Problem 502."""
    if vendor == UNKNOWN_VENDOR:
        detail = "Enode hasn't reported the vendor of this car yet. Try again in a few minutes."
        raise Problem(502, "enode-unavailable", detail)
    try:
        await enode.users.disconnect_vendor(str(user_id), vendor)
    except EnodeNotFound:
        log.info("vendor already disconnected vendor=%s", vendor)
    except EnodeError as error:
        log.warning("vendor disconnect failed vendor=%s error=%s", vendor, error)
        detail = "Enode can't be reached, so nothing was unlinked. Try again in a few minutes."
        raise Problem(502, "enode-unavailable", detail) from None


async def mark_vehicles_deleted(
    connection: Connection, user_id: UUID, enode_vehicle_ids: list[str], *, vin_key: bytes, plans: Plans
) -> bool:
    """Mark these Enode vehicles as deleted; Enode's own events change nothing later. True when the feed has changed.

    Call it in a transaction: it takes the lock of the user's feed.
    """
    await advance_feed(connection, user_id, 0)
    is_visible = False
    links = await fetch_all(connection, LIST_LIVE_LINKS, [user_id, enode_vehicle_ids], tuple_row)
    for enode_vehicle_id, seen_at, vehicle in links:
        # Enode's clock may be ahead of ours, and the deletion must be newer than the newest report.
        at = max(datetime.now(UTC), seen_at + timedelta(microseconds=1))
        report = VehicleReport(enode_vehicle_id=enode_vehicle_id, created_at=at, event_id=0, vehicle=vehicle)
        for change in await service.apply_vehicle_deletion(connection, user_id, report, vin_key=vin_key):
            # A deletion has no transitions, which are all that the event id is for.
            is_visible |= await record_change(connection, change, source_event_id=0)
    capacity = await get_vehicle_capacity(connection, user_id, plans)
    return await apply_vehicle_limit(connection, user_id, capacity.limit) or is_visible
