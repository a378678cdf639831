"""A user wants news of a car now: Enode is asked to look, now and then and not more."""

import logging
import math
from datetime import UTC, datetime, timedelta
from typing import TypedDict
from uuid import UUID

from fastapi import APIRouter

from relay.gateways.enode import EnodeError, EnodeNotFound, EnodeRateLimited
from relay.kit.problems import Problem
from relay.kit.times import wire_time
from relay.usecases.authorize import authenticate
from relay.usecases.find_car import find_car
from relay.usecases.present_credential import Authorization
from relay.usecases.runtime import Runtime, RuntimeDependency
from relay.usecases.take_turn import Turns

log = logging.getLogger(__name__)

AGAIN_AFTER = timedelta(minutes=5)
"""How often a car may be looked at on request; every look may wake it. Vendors are asked every two to seven anyhow."""
TURNS = Turns("vehicles", AGAIN_AFTER)

router = APIRouter(prefix="/api/ha/v2", tags=["Home Assistant"])


class RefreshRecord(TypedDict):
    """Enode was asked; news come by the usual way, if there are any."""

    refreshed: bool
    again_at: str


@router.post(
    "/vehicles/{vehicle_id}/refresh",
    status_code=202,
    response_model=None,
    responses={202: {"model": RefreshRecord}},
)
async def post_refresh(vehicle_id: str, runtime: RuntimeDependency, authorization: Authorization) -> RefreshRecord:
    """Ask Enode to look at the car soon. Costs nothing; once in five minutes for each car."""
    async with runtime.pool.connection() as connection:
        call = await authenticate(connection, authorization, scope="control")
        runtime.bursts.take(call.caller.holder)
        car = await find_car(connection, call.caller.user_id, vehicle_id)
    if runtime.enode is None or car.enode_vehicle_id is None:
        raise Problem(502, "enode-unavailable", "There is no way to this car.")
    claimed_at = await _claim(runtime, car.vehicle_id)
    try:
        await runtime.enode.vehicles.refresh_hint(car.enode_vehicle_id)
    except EnodeError as error:
        log.info("a refresh did not get through: %s", error)
        if not isinstance(error, EnodeRateLimited):
            await TURNS.give_back(runtime.pool, car.vehicle_id, claimed_at)
        raise _problem(error) from None
    runtime.look_soon()
    return {"refreshed": True, "again_at": wire_time(claimed_at + AGAIN_AFTER)}


async def _claim(runtime: Runtime, vehicle_id: UUID) -> datetime:
    """Take the car's turn and return when that was. Raises Problem 429 when it was taken lately."""
    turn = await TURNS.take(runtime.pool, vehicle_id)
    if turn is None:
        raise Problem(404, "not-found", "No such vehicle.")
    at, mine = turn
    if mine:
        return at
    again_at = at + AGAIN_AFTER
    wait = max(1, math.ceil((again_at - datetime.now(UTC)).total_seconds()))
    raise Problem(
        429,
        "too-many-requests",
        "This car was refreshed lately. News come by themselves.",
        headers={"Retry-After": str(wait)},
        again_at=wire_time(again_at),
    )


def _problem(error: EnodeError) -> Problem:
    if isinstance(error, EnodeNotFound):
        return Problem(404, "not-found", "Enode does not know this vehicle any more.")
    return Problem(502, "enode-unavailable", "Enode was not reached, so the car was not asked. Try again soon.")
