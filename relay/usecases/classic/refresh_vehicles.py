"""A user wants news now and not when they come by themselves: Enode is asked about the user's cars, politely."""

import logging
import math
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends

from relay.gateways.enode import EnodeClient, EnodeError, EnodeRateLimited
from relay.inbox.routes import get_inbox
from relay.inbox.service import Inbox
from relay.kit.problems import Problem
from relay.usecases.calls.authorize import authenticate_caller
from relay.usecases.calls.refresh_throttle import RefreshThrottle
from relay.usecases.calls.resolve_credential import CredentialDependency
from relay.usecases.calls.runtime import Runtime, RuntimeDependency
from relay.usecases.calls.store_readings import store_readings
from relay.usecases.classic.problem_details import ClassicRoute

log = logging.getLogger(__name__)

MIN_REFRESH_INTERVAL = timedelta(minutes=1)
"""Enode itself hears from most vendors less often than this."""
REFRESH_THROTTLE = RefreshThrottle("users", MIN_REFRESH_INTERVAL)

router = APIRouter(prefix="/api/ha", tags=["Classic"], route_class=ClassicRoute)


@router.post("/refresh", response_model=None)
async def post_refresh(
    runtime: RuntimeDependency, authorization: CredentialDependency, inbox: Annotated[Inbox, Depends(get_inbox)]
) -> dict[str, Any]:
    """Ask Enode for all cars of the user now; what is new is told the usual way. Once a minute. Costs nothing."""
    enode = runtime.enode
    async with runtime.pool.connection() as connection:
        user_id = (await authenticate_caller(connection, authorization, scope="read")).caller.user_id
    if enode is None:
        raise Problem(502, "enode-unavailable", "This relay has no way to Enode.")
    claimed_at = await _acquire_refresh(runtime, user_id)
    try:
        updated = await _poll_user_vehicles(runtime, enode, inbox, user_id)
    except EnodeRateLimited as error:
        raise _create_too_many_requests_problem(
            error.retry_after or MIN_REFRESH_INTERVAL, "Enode is asked too often just now."
        ) from None
    except EnodeError as error:
        log.info("a refresh did not get through: %s", error)
        await REFRESH_THROTTLE.release(runtime.pool, user_id, claimed_at)
        raise Problem(502, "enode-unavailable", "Enode was not reached. Try again soon.") from None
    return {"status": "success", "vehicles_updated": updated, "message": f"Vehicles with news: {updated}."}


async def _poll_user_vehicles(runtime: Runtime, enode: EnodeClient, inbox: Inbox, user_id: UUID) -> int:
    began_at = datetime.now(UTC)
    readings = [reading async for reading in enode.vehicles.list_for_user(str(user_id))]
    receipt = await store_readings(runtime.pool, inbox, readings, began_at=began_at, user_id=user_id)
    return receipt.stored


async def _acquire_refresh(runtime: Runtime, user_id: UUID) -> datetime:
    """Take the user's turn, and return when that was. Raises Problem 429 when it was taken just now."""
    turn = await REFRESH_THROTTLE.try_acquire(runtime.pool, user_id)
    assert turn is not None  # noqa: S101 - the caller's own row
    at, mine = turn
    if not mine:
        raise _create_too_many_requests_problem(
            at + MIN_REFRESH_INTERVAL - datetime.now(UTC), "The cars were refreshed just now."
        )
    return at


def _create_too_many_requests_problem(retry_after: timedelta, detail: str) -> Problem:
    again = {"Retry-After": str(max(1, math.ceil(retry_after.total_seconds())))}
    return Problem(429, "too-many-requests", detail, headers=again)
