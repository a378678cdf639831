"""Refresh a vehicle on request: ask Enode to read it again, at most once every five minutes per vehicle."""

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
"""The shortest time between refreshes of a vehicle.

A refresh may wake the vehicle up. Enode polls vendors every two to seven minutes anyway.
"""
REFRESH_THROTTLE = RefreshThrottle("vehicles", MIN_REFRESH_INTERVAL)

router = APIRouter(prefix="/api/ha/v2")


class RefreshRecord(TypedDict):
    """The refresh was requested; new data, if any, arrives as usual. `again_at`: when the next refresh is possible."""

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
    """Ask Enode to read the vehicle again soon. Costs no call. Possible once in five minutes for each vehicle."""
    async with runtime.pool.connection() as connection:
        call = await authenticate_caller(connection, authorization, scope="control")
        runtime.rate_limiter.check(call.caller.rate_limit_key)
        vehicle = await get_call_vehicle(connection, call.caller.user_id, vehicle_id)
    if runtime.enode is None or vehicle.enode_vehicle_id is None:
        raise Problem(
            502,
            "enode-unavailable",
            "The relay can't reach this car: Enode isn't set up here, or the car is no longer linked.",
        )
    claimed_at = await _acquire_refresh(runtime, vehicle.vehicle_id)
    try:
        await runtime.enode.vehicles.send_refresh_hint(vehicle.enode_vehicle_id)
    except EnodeError as error:
        log.info("vehicle refresh failed vehicle_id=%s error=%s", vehicle.vehicle_id, error)
        if not isinstance(error, EnodeRateLimited):
            await REFRESH_THROTTLE.release(runtime.pool, vehicle.vehicle_id, claimed_at)
        raise _build_problem(error) from None
    runtime.request_poll()
    return {"refreshed": True, "again_at": format_timestamp(claimed_at + MIN_REFRESH_INTERVAL)}


async def _acquire_refresh(runtime: Runtime, vehicle_id: UUID) -> datetime:
    """Claim the refresh and return the time of the claim. Raises Problem 429 within five minutes of the last one."""
    attempt = await REFRESH_THROTTLE.try_acquire(runtime.pool, vehicle_id)
    if attempt is None:
        raise Problem(404, "not-found", "No such vehicle.")
    refreshed_at, is_acquired = attempt
    if is_acquired:
        return refreshed_at
    again_at = refreshed_at + MIN_REFRESH_INTERVAL
    wait = max(1, math.ceil((again_at - datetime.now(UTC)).total_seconds()))
    raise Problem(
        429,
        "too-many-requests",
        "This car was refreshed less than five minutes ago. Updates arrive without a refresh, too.",
        headers={"Retry-After": str(wait)},
        again_at=format_timestamp(again_at),
    )


def _build_problem(error: EnodeError) -> Problem:
    if isinstance(error, EnodeNotFound):
        return Problem(404, "not-found", "Enode no longer has this car. Link it again.")
    return Problem(
        502, "enode-unavailable", "Enode can't be reached, so the car wasn't refreshed. Try again in a few minutes."
    )
