"""A user with more cars than the plan has room for picks those that are served."""

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

router = APIRouter(prefix="/api/user", tags=["Linking"])


class ServedVehicles(BaseModel):
    """The cars to serve, by our ids. What room they leave is filled with those that were served before."""

    vehicles: Annotated[list[UUID], Field(max_length=MAX_VEHICLES)]


class ServedVehiclesRecord(TypedDict):
    """Our ids of the cars that are served now and of those that are not. `limit` null: all are."""

    limit: int | None
    served: list[str]
    over_limit: list[str]


@router.post("/vehicles/served", response_model=None, responses={200: {"model": ServedVehiclesRecord}})
async def post_served_vehicles(
    body: ServedVehicles, runtime: RuntimeDependency, authorization: CredentialDependency
) -> ServedVehiclesRecord:
    """Pick the cars that are served where the plan does not have room for all. Costs nothing.

    It decides what a plan is spent on, so it is a person's to say: not a key's or a Home Assistant's.
    """
    async with runtime.pool.connection() as connection:
        call = await authenticate_caller(connection, authorization, scope="account")
    runtime.rate_limiter.check(call.caller.rate_limit_key)
    user_id = call.caller.user_id
    await select_served_vehicles(runtime, user_id, body.vehicles)
    async with runtime.pool.connection() as connection:
        room = await get_vehicle_capacity(connection, user_id, runtime.plans)
        records = (await read_snapshot(connection, user_id)).vehicles
    over = [it["id"] for it in records if it["link"]["state"] == "over_limit"]
    return {"limit": room.limit, "served": [it["id"] for it in records if it["id"] not in over], "over_limit": over}
