"""Choose which vehicles are served, for users who have more vehicles than their plan includes."""

from typing import Annotated, TypedDict
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, Field

from relay.usecases.calls.authorize import authenticate_caller
from relay.usecases.calls.resolve_credential import CredentialDependency
from relay.usecases.calls.runtime import RuntimeDependency
from relay.usecases.feed.reader import read_snapshot
from relay.usecases.vehicles.limit_vehicles import get_vehicle_capacity, select_served_vehicles

MAX_VEHICLES = 1000

router = APIRouter(prefix="/api/user")


class ServedVehicles(BaseModel):
    """Our ids of the vehicles to serve. Up to the limit, vehicles that were served before are added."""

    vehicles: Annotated[list[UUID], Field(max_length=MAX_VEHICLES)]


class ServedVehiclesRecord(TypedDict):
    """Our ids of the vehicles that are served now and of those over the limit. `limit` null: all are served."""

    limit: int | None
    served: list[str]
    over_limit: list[str]


@router.post("/vehicles/served", response_model=None, responses={200: {"model": ServedVehiclesRecord}})
async def post_served_vehicles(
    body: ServedVehicles, runtime: RuntimeDependency, authorization: CredentialDependency
) -> ServedVehiclesRecord:
    """Choose the vehicles to serve when the plan doesn't include all. Costs no call.

    The choice decides how a paid plan is used, so API keys and Home Assistant can't make it, only a signed-in user.
    """
    async with runtime.pool.connection() as connection:
        call = await authenticate_caller(connection, authorization, scope="account")
    runtime.rate_limiter.check(call.caller.rate_limit_key)
    user_id = call.caller.user_id
    await select_served_vehicles(runtime, user_id, body.vehicles)
    async with runtime.pool.connection() as connection:
        capacity = await get_vehicle_capacity(connection, user_id, runtime.plans)
        records = (await read_snapshot(connection, user_id)).vehicles
    over_limit = [record["id"] for record in records if record["link"]["state"] == "over_limit"]
    return {
        "limit": capacity.limit,
        "served": [record["id"] for record in records if record["id"] not in over_limit],
        "over_limit": over_limit,
    }
