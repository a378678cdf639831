"""Get and set the home location. It applies to sessions that begin from now on; earlier decisions don't change."""

from typing import Annotated, LiteralString, TypedDict
from uuid import UUID

from fastapi import APIRouter
from psycopg.rows import dict_row, scalar_row
from pydantic import BaseModel, Field

from relay.feed.sequence import advance_feed
from relay.kit.database import Connection, fetch_all, fetch_one
from relay.kit.problems import Problem
from relay.usecases.calls.authorize import authenticate_caller
from relay.usecases.calls.resolve_credential import CredentialDependency
from relay.usecases.calls.runtime import RuntimeDependency

FIND: LiteralString = "select latitude, longitude, radius_m from home_places where user_id = %s"
UPSERT: LiteralString = """
insert into home_places (user_id, latitude, longitude, radius_m) values (%s, %s, %s, %s)
on conflict (user_id) do update
set (latitude, longitude, radius_m, updated_at) = (excluded.latitude, excluded.longitude, excluded.radius_m, now())
"""
DELETE: LiteralString = "delete from home_places where user_id = %s"
# Counters start at zero, not with the first charge: Home Assistant's statistics ignore the first value they see.
START_HOME_COUNTERS: LiteralString = """
update vehicle_energy set home_kwh = 0
where home_kwh is null and vehicle_id in (select id from vehicles where user_id = %s) returning vehicle_id
"""
SET_REVISION: LiteralString = "update vehicles set revision = %s where id = any (%s)"

router = APIRouter(prefix="/api/ha/v2/home")


class HomeLocationRequest(BaseModel):
    """The home to set: a circle, in degrees and metres."""

    latitude: Annotated[float, Field(ge=-90, le=90, allow_inf_nan=False)]
    longitude: Annotated[float, Field(ge=-180, le=180, allow_inf_nan=False)]
    radius_m: Annotated[int, Field(ge=50, le=10_000)] = 500


class HomeLocationRecord(TypedDict):
    """The home location: a circle, in degrees and metres."""

    latitude: float
    longitude: float
    radius_m: int


@router.get("", response_model=None, responses={200: {"model": HomeLocationRecord}})
async def get_home(runtime: RuntimeDependency, authorization: CredentialDependency) -> HomeLocationRecord:
    """The home location. Costs no call."""
    async with runtime.pool.connection() as connection:
        call = await authenticate_caller(connection, authorization, scope="read")
        row = await fetch_one(connection, FIND, [call.caller.user_id], dict_row)
    if row is None:
        raise Problem(404, "not-found", "No home location is set.")
    return {"latitude": row["latitude"], "longitude": row["longitude"], "radius_m": row["radius_m"]}


@router.put("", response_model=None, responses={200: {"model": HomeLocationRecord}})
async def put_home(
    body: HomeLocationRequest, runtime: RuntimeDependency, authorization: CredentialDependency
) -> HomeLocationRecord:
    """Set the home location; energy charged there is also counted separately. Costs no call."""
    async with runtime.pool.connection() as connection:
        user_id = (await authenticate_caller(connection, authorization, scope="control")).caller.user_id
        async with connection.transaction():
            await advance_feed(connection, user_id, 0)
            await connection.execute(UPSERT, [user_id, body.latitude, body.longitude, body.radius_m])
            has_started_counters = await _start_home_counters(connection, user_id)
    if has_started_counters:
        runtime.feed_waker.wake([user_id])
    return {"latitude": body.latitude, "longitude": body.longitude, "radius_m": body.radius_m}


@router.delete("", status_code=204, response_model=None)
async def delete_home(runtime: RuntimeDependency, authorization: CredentialDependency) -> None:
    """Delete the home location. Sessions and counters stay as they are. Costs no call."""
    async with runtime.pool.connection() as connection:
        call = await authenticate_caller(connection, authorization, scope="control")
        removed = await connection.execute(DELETE, [call.caller.user_id])
    if not removed.rowcount:
        raise Problem(404, "not-found", "No home location is set.")


async def _start_home_counters(connection: Connection, user_id: UUID) -> bool:
    """Start the home counters of vehicles that have none, with a new revision; True when there were any."""
    vehicle_ids = await fetch_all(connection, START_HOME_COUNTERS, [user_id], scalar_row)
    if vehicle_ids:
        revision = await advance_feed(connection, user_id, 1)
        await connection.execute(SET_REVISION, [revision, vehicle_ids])
    return bool(vehicle_ids)
