"""A user wants news of a car now: Enode is asked to look, now and then and not more."""

import logging
import math
from datetime import UTC, datetime, timedelta
from typing import TypedDict
from uuid import UUID

from fastapi import APIRouter

from relay.gateways.enode import EnodeError, EnodeNotFound, EnodeRateLimited
from relay.kit.problems import Problem
from relay.kit.timestamps import format_timestamp
from relay.usecases.calls.authorize import authenticate_caller
from relay.usecases.calls.get_vehicle import get_call_vehicle
from relay.usecases.calls.refresh_throttle import RefreshThrottle
from relay.usecases.calls.resolve_credential import CredentialDependency
from relay.usecases.calls.runtime import Runtime, RuntimeDependency

log = logging.getLogger(__name__)

MIN_REFRESH_INTERVAL = timedelta(minutes=5)
"""How often a car may be looked at on request; every look may wake it. Vendors are asked every two to seven anyhow."""
REFRESH_THROTTLE = RefreshThrottle("vehicles", MIN_REFRESH_INTERVAL)

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
async def post_refresh(
    vehicle_id: str, runtime: RuntimeDependency, authorization: CredentialDependency
) -> RefreshRecord:
    """Ask Enode to look at the car soon. Costs nothing; once in five minutes for each car."""
    async with runtime.pool.connection() as connection:
        call = await authenticate_caller(connection, authorization, scope="control")
        runtime.rate_limiter.check(call.caller.rate_limit_key)
        car = await get_call_vehicle(connection, call.caller.user_id, vehicle_id)
    if runtime.enode is None or car.enode_vehicle_id is None:
        raise Problem(502, "enode-unavailable", "There is no way to this car.")
    claimed_at = await _acquire_refresh(runtime, car.vehicle_id)
    try:
        await runtime.enode.vehicles.send_refresh_hint(car.enode_vehicle_id)
    except EnodeError as error:
        log.info("a refresh did not get through: %s", error)
        if not isinstance(error, EnodeRateLimited):
            await REFRESH_THROTTLE.release(runtime.pool, car.vehicle_id, claimed_at)
        raise _build_problem(error) from None
    runtime.request_poll()
    return {"refreshed": True, "again_at": format_timestamp(claimed_at + MIN_REFRESH_INTERVAL)}


async def _acquire_refresh(runtime: Runtime, vehicle_id: UUID) -> datetime:
    """Take the car's turn and return when that was. Raises Problem 429 when it was taken lately."""
    turn = await REFRESH_THROTTLE.try_acquire(runtime.pool, vehicle_id)
    if turn is None:
        raise Problem(404, "not-found", "No such vehicle.")
    at, mine = turn
    if mine:
        return at
    again_at = at + MIN_REFRESH_INTERVAL
    wait = max(1, math.ceil((again_at - datetime.now(UTC)).total_seconds()))
    raise Problem(
        429,
        "too-many-requests",
        "This car was refreshed lately. News come by themselves.",
        headers={"Retry-After": str(wait)},
        again_at=format_timestamp(again_at),
    )


def _build_problem(error: EnodeError) -> Problem:
    if isinstance(error, EnodeNotFound):
        return Problem(404, "not-found", "Enode does not know this vehicle any more.")
    return Problem(502, "enode-unavailable", "Enode was not reached, so the car was not asked. Try again soon.")
