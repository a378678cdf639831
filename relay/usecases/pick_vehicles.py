"""A user with more cars than the plan has room for picks those that are served."""

from typing import Annotated, TypedDict
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, Field

from relay.usecases.authorize import authenticate
from relay.usecases.limit_vehicles import choose_served, room_of
from relay.usecases.present_credential import Authorization
from relay.usecases.read_feed import read_snapshot
from relay.usecases.runtime import RuntimeDependency

MOST = 1000

router = APIRouter(prefix="/api/user", tags=["Linking"])


class Choice(BaseModel):
    """The cars to serve, by our ids. What room they leave is filled with those that were served before."""

    vehicles: Annotated[list[UUID], Field(max_length=MOST)]


class ServedRecord(TypedDict):
    """Our ids of the cars that are served now and of those that are not. `limit` null: all are."""

    limit: int | None
    served: list[str]
    over_limit: list[str]


@router.post("/vehicles/served", response_model=None, responses={200: {"model": ServedRecord}})
async def post_served(choice: Choice, runtime: RuntimeDependency, authorization: Authorization) -> ServedRecord:
    """Pick the cars that are served where the plan does not have room for all. Costs nothing.

    It decides what a plan is spent on, so it is a person's to say: not a key's or a Home Assistant's.
    """
    async with runtime.pool.connection() as connection:
        call = await authenticate(connection, authorization, scope="account")
    runtime.bursts.take(call.caller.holder)
    user_id = call.caller.user_id
    await choose_served(runtime, user_id, choice.vehicles)
    async with runtime.pool.connection() as connection:
        room = await room_of(connection, user_id, runtime.vehicle_limits)
        records = (await read_snapshot(connection, user_id)).vehicles
    over = [it["id"] for it in records if it["link"]["state"] == "over_limit"]
    return {"limit": room.limit, "served": [it["id"] for it in records if it["id"] not in over], "over_limit": over}
