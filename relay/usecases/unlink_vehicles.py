"""A user unlinks a car. Enode unlinks whole accounts at a maker: all cars of that account go, so it is asked twice."""

import logging
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, LiteralString, TypedDict
from uuid import UUID

from fastapi import APIRouter, Query
from psycopg.rows import class_row

from relay.delivery.feed import advance
from relay.gateways.enode import EnodeClient, EnodeError, EnodeNotFound
from relay.kit.database import Connection
from relay.kit.problems import Problem
from relay.usecases.authorize import authenticate
from relay.usecases.limit_vehicles import apply_vehicle_limit, room_of
from relay.usecases.present_credential import Authorization
from relay.usecases.runtime import Runtime, RuntimeDependency
from relay.usecases.tell_change import tell_change
from relay.vehicles import service
from relay.vehicles.limits import VehicleLimits
from relay.vehicles.models import Sighting
from relay.vehicles.recognise import name_of

log = logging.getLogger(__name__)

FIND: LiteralString = """
select v.id, v.vendor, v.vehicle_cache as vehicle,
       array(select l.enode_vehicle_id from vehicle_links l
             where l.vehicle_id = v.id and l.ended_at is null) as enode_vehicle_ids
from vehicles v
where v.user_id = %(user_id)s and v.gone_at is null and v.vendor = (
    select o.vendor from vehicles o
    where o.user_id = %(user_id)s and o.gone_at is null
      and (o.id::text = %(vehicle)s
           or o.id = (select l.vehicle_id from vehicle_links l where l.enode_vehicle_id = %(vehicle)s)))
order by v.created_at, v.id
"""
# What went meanwhile is not live, and what was linked since, be it the same car, is not among those asked about.
LIVE: LiteralString = """
select l.enode_vehicle_id, l.seen_at, v.vehicle_cache from vehicle_links l join vehicles v on v.id = l.vehicle_id
where v.user_id = %s and l.enode_vehicle_id = any (%s) and l.ended_at is null order by l.enode_vehicle_id
"""
NOT_YET_KNOWN = "UNKNOWN"

router = APIRouter(prefix="/api/user", tags=["Linking"])


@dataclass(frozen=True, kw_only=True, slots=True)
class GoingCar:
    """A car that goes when its account at the maker is unlinked."""

    id: UUID
    vendor: str
    vehicle: dict[str, Any]
    enode_vehicle_ids: list[str]

    @property
    def name(self) -> str:
        """What a person calls it."""
        return name_of(self.vehicle)


class UnlinkedCar(TypedDict):
    """A car that is unlinked."""

    id: str
    name: str


class UnlinkRecord(TypedDict):
    """The account at this maker is unlinked, and these cars with it."""

    vendor: str
    vehicles: list[UnlinkedCar]


@router.delete("/vehicles/{vehicle_id}", response_model=None, responses={200: {"model": UnlinkRecord}})
async def delete_vehicle(
    vehicle_id: str,
    runtime: RuntimeDependency,
    authorization: Authorization,
    *,
    confirm: Annotated[bool, Query(description="Unlink all cars that the answer without it names.")] = False,
) -> UnlinkRecord:
    """Unlink the account behind a car, and all of its cars. Costs nothing. Without `confirm`: 409 with those cars."""
    async with runtime.pool.connection() as connection:
        call = await authenticate(connection, authorization, scope="control")
        runtime.bursts.take(call.caller.holder)
        cars = await cars_that_go(connection, call.caller.user_id, vehicle_id)
    vehicles: list[UnlinkedCar] = [{"id": str(car.id), "name": car.name} for car in cars]
    if not confirm:
        words = "All cars of this account at the maker go together. Ask again with confirm=true to unlink them."
        raise Problem(409, "confirm-required", words, vendor=cars[0].vendor, vehicles=vehicles)
    if runtime.enode is None:
        raise Problem(502, "enode-unavailable", "This relay has no way to Enode.")
    await unlink(runtime, runtime.enode, call.caller.user_id, cars)
    return {"vendor": cars[0].vendor, "vehicles": vehicles}


async def cars_that_go(connection: Connection, user_id: UUID, vehicle: str) -> list[GoingCar]:
    """The cars that go with this one (our id or Enode's), itself among them. Raises Problem 404."""
    # NUL is the one character that PostgreSQL takes in no text.
    asked = {"user_id": user_id, "vehicle": vehicle.replace("\0", "")}
    async with connection.cursor(row_factory=class_row(GoingCar)) as cursor:
        await cursor.execute(FIND, asked)
        cars = await cursor.fetchall()
    if not cars:
        raise Problem(404, "not-found", "No such vehicle.")
    return cars


async def unlink(runtime: Runtime, enode: EnodeClient, user_id: UUID, cars: list[GoingCar]) -> None:
    """Unlink these cars of one account at a maker, at Enode first and then here. Doing it again does no harm.

    When it ends between the two, Enode's own event or the next try does the rest. Raises Problem 502 when Enode does
    not answer: nothing is changed here then.
    """
    await disconnect(enode, user_id, cars[0].vendor)
    async with runtime.pool.connection() as connection, connection.transaction():
        ids = [it for car in cars for it in car.enode_vehicle_ids]
        told = await bury(connection, user_id, ids, vin_key=runtime.key, limits=runtime.vehicle_limits)
    if told:
        runtime.feed_waker.wake([user_id])


async def disconnect(enode: EnodeClient, user_id: UUID, vendor: str) -> None:
    """End the user's account at this maker at Enode, if it is there. Raises Problem 502."""
    if vendor == NOT_YET_KNOWN:
        raise Problem(502, "enode-unavailable", "Enode has not told yet whose car this is. Try again soon.")
    try:
        await enode.users.disconnect_vendor(str(user_id), vendor)
    except EnodeNotFound:
        log.info("what was to be unlinked was unlinked already")
    except EnodeError as error:
        log.warning("a maker's account could not be unlinked: %s", error)
        raise Problem(502, "enode-unavailable", "Enode was not reached. Try again soon.") from None


async def bury(
    connection: Connection, user_id: UUID, enode_vehicle_ids: list[str], *, vin_key: bytes, limits: VehicleLimits
) -> bool:
    """These vehicles of Enode's are gone; its own event, coming later, changes nothing more. True when that is told.

    In a transaction; takes the lock of the user's feed.
    """
    await advance(connection, user_id, 0)
    told = False
    rows: list[Any] = await (await connection.execute(LIVE, [user_id, enode_vehicle_ids])).fetchall()
    for enode_vehicle_id, seen_at, vehicle in rows:
        # Enode's clock may be ahead of ours, and its newest word of the car must not survive this one.
        at = max(datetime.now(UTC), seen_at + timedelta(microseconds=1))
        sighting = Sighting(enode_vehicle_id=enode_vehicle_id, created_at=at, event_id=0, vehicle=vehicle)
        for change in await service.delete(connection, user_id, sighting, vin_key=vin_key):
            told |= await tell_change(connection, change, source_event_id=0)  # it makes no transitions
    room = await room_of(connection, user_id, limits)
    return await apply_vehicle_limit(connection, user_id, room.limit) or told
