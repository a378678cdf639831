"""A user unlinks a car. Enode unlinks whole accounts at a maker: all cars of that account go, so it is asked twice."""

import logging
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, LiteralString, TypedDict
from uuid import UUID

from fastapi import APIRouter, Query
from psycopg.rows import class_row

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
from relay.vehicles.lookup import MATCHES_ID, lookup_parameters
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
# What went meanwhile is not live, and what was linked since, be it the same car, is not among those asked about.
LIST_LIVE_LINKS: LiteralString = """
select l.enode_vehicle_id, l.seen_at, v.vehicle_cache from vehicle_links l join vehicles v on v.id = l.vehicle_id
where v.user_id = %s and l.enode_vehicle_id = any (%s) and l.ended_at is null order by l.enode_vehicle_id
"""
UNKNOWN_VENDOR = "UNKNOWN"

router = APIRouter(prefix="/api/user", tags=["Linking"])


@dataclass(frozen=True, kw_only=True, slots=True)
class UnlinkCandidate:
    """A car that goes when its account at the maker is unlinked."""

    id: UUID
    vendor: str
    vehicle: dict[str, Any]
    enode_vehicle_ids: list[str]

    @property
    def name(self) -> str:
        """What a person calls it."""
        return get_display_name(self.vehicle)


class UnlinkedVehicle(TypedDict):
    """A car that is unlinked."""

    id: str
    name: str


class UnlinkRecord(TypedDict):
    """The account at this maker is unlinked, and these cars with it."""

    vendor: str
    vehicles: list[UnlinkedVehicle]


@router.delete("/vehicles/{vehicle_id}", response_model=None, responses={200: {"model": UnlinkRecord}})
async def delete_vehicle(
    vehicle_id: str,
    runtime: RuntimeDependency,
    authorization: CredentialDependency,
    *,
    confirm: Annotated[bool, Query(description="Unlink all cars that the answer without it names.")] = False,
) -> UnlinkRecord:
    """Unlink the account behind a car, and all of its cars. Costs nothing. Without `confirm`: 409 with those cars."""
    async with runtime.pool.connection() as connection:
        call = await authenticate_caller(connection, authorization, scope="control")
        runtime.rate_limiter.check(call.caller.rate_limit_key)
        cars = await list_unlink_candidates(connection, call.caller.user_id, vehicle_id)
    vehicles: list[UnlinkedVehicle] = [{"id": str(car.id), "name": car.name} for car in cars]
    if not confirm:
        words = "All cars of this account at the maker go together. Ask again with confirm=true to unlink them."
        raise Problem(409, "confirm-required", words, vendor=cars[0].vendor, vehicles=vehicles)
    if runtime.enode is None:
        raise Problem(502, "enode-unavailable", "This relay has no way to Enode.")
    await unlink_vehicles(runtime, runtime.enode, call.caller.user_id, cars)
    return {"vendor": cars[0].vendor, "vehicles": vehicles}


async def list_unlink_candidates(connection: Connection, user_id: UUID, vehicle_id: str) -> list[UnlinkCandidate]:
    """The cars that go with this one (our id or Enode's), itself among them. Raises Problem 404."""
    parameters = lookup_parameters(user_id, vehicle_id)
    cars = await fetch_all(connection, LIST_SAME_VENDOR, parameters, class_row(UnlinkCandidate))
    if not cars:
        raise Problem(404, "not-found", "No such vehicle.")
    return cars


async def unlink_vehicles(runtime: Runtime, enode: EnodeClient, user_id: UUID, vehicles: list[UnlinkCandidate]) -> None:
    """Unlink these cars of one account at a maker, at Enode first and then here. Doing it again does no harm.

    When it ends between the two, Enode's own event or the next try does the rest. Raises Problem 502 when Enode does
    not answer: nothing is changed here then.
    """
    await disconnect_vendor(enode, user_id, vehicles[0].vendor)
    async with runtime.pool.connection() as connection, connection.transaction():
        ids = [it for car in vehicles for it in car.enode_vehicle_ids]
        told = await mark_vehicles_deleted(connection, user_id, ids, vin_key=runtime.secret_key, plans=runtime.plans)
    if told:
        runtime.feed_waker.wake([user_id])


async def disconnect_vendor(enode: EnodeClient, user_id: UUID, vendor: str) -> None:
    """End the user's account at this maker at Enode, if it is there. Raises Problem 502."""
    if vendor == UNKNOWN_VENDOR:
        raise Problem(502, "enode-unavailable", "Enode has not told yet whose car this is. Try again soon.")
    try:
        await enode.users.disconnect_vendor(str(user_id), vendor)
    except EnodeNotFound:
        log.info("what was to be unlinked was unlinked already")
    except EnodeError as error:
        log.warning("a maker's account could not be unlinked: %s", error)
        raise Problem(502, "enode-unavailable", "Enode was not reached. Try again soon.") from None


async def mark_vehicles_deleted(
    connection: Connection, user_id: UUID, enode_vehicle_ids: list[str], *, vin_key: bytes, plans: Plans
) -> bool:
    """These vehicles of Enode's are gone; its own event, coming later, changes nothing more. True when that is told.

    In a transaction; takes the lock of the user's feed.
    """
    await advance_feed(connection, user_id, 0)
    told = False
    rows: list[Any] = await (await connection.execute(LIST_LIVE_LINKS, [user_id, enode_vehicle_ids])).fetchall()
    for enode_vehicle_id, seen_at, vehicle in rows:
        # Enode's clock may be ahead of ours, and its newest word of the car must not survive this one.
        at = max(datetime.now(UTC), seen_at + timedelta(microseconds=1))
        sighting = VehicleReport(enode_vehicle_id=enode_vehicle_id, created_at=at, event_id=0, vehicle=vehicle)
        for change in await service.apply_vehicle_deletion(connection, user_id, sighting, vin_key=vin_key):
            told |= await record_change(connection, change, source_event_id=0)  # it makes no transitions
    room = await get_vehicle_capacity(connection, user_id, plans)
    return await apply_vehicle_limit(connection, user_id, room.limit) or told
