"""Classic route to refresh all of a user's vehicles from Enode now, at most once a minute."""

import logging
import math
from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal, TypedDict
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
"""Enode itself gets updates from most vendors less often than this."""
REFRESH_THROTTLE = RefreshThrottle("users", MIN_REFRESH_INTERVAL)

router = APIRouter(prefix="/api/ha", route_class=ClassicRoute)


class VehiclesRefreshRecord(TypedDict):
    """How many vehicles have new data."""

    status: Literal["success"]
    vehicles_updated: int
    message: str


@router.post("/refresh", response_model=None, responses={200: {"model": VehiclesRefreshRecord}})
async def post_refresh(
    runtime: RuntimeDependency, authorization: CredentialDependency, inbox: Annotated[Inbox, Depends(get_inbox)]
) -> VehiclesRefreshRecord:
    """Fetch the user's vehicles from Enode now; changes are delivered as usual. Once a minute. Costs nothing."""
    enode = runtime.enode
    async with runtime.pool.connection() as connection:
        user_id = (await authenticate_caller(connection, authorization, scope="read")).caller.user_id
    if enode is None:
        detail = "This relay has no access to Enode. Ask its operator to configure Enode's credentials."
        raise Problem(502, "enode-unavailable", detail)
    acquired_at = await _acquire_refresh(runtime, user_id)
    try:
        updated = await _poll_user_vehicles(runtime, enode, inbox, user_id)
    except EnodeRateLimited as error:
        raise _create_too_many_requests_problem(
            error.retry_after or MIN_REFRESH_INTERVAL, "Enode is limiting requests. Try again later."
        ) from None
    except EnodeError as error:
        log.info("refresh failed user=%s error=%r", user_id, str(error))
        await REFRESH_THROTTLE.release(runtime.pool, user_id, acquired_at)
        raise Problem(502, "enode-unavailable", "Enode could not be reached. Try again in a few minutes.") from None
    return {"status": "success", "vehicles_updated": updated, "message": f"Vehicles updated: {updated}."}


async def _poll_user_vehicles(runtime: Runtime, enode: EnodeClient, inbox: Inbox, user_id: UUID) -> int:
    began_at = datetime.now(UTC)
    readings = [reading async for reading in enode.vehicles.list_for_user(str(user_id))]
    result = await store_readings(runtime.pool, inbox, readings, began_at=began_at, user_id=user_id)
    return result.stored


async def _acquire_refresh(runtime: Runtime, user_id: UUID) -> datetime:
    """Acquire a refresh for the user, and return its time. Raises Problem 429 within a minute of the last one."""
    acquisition = await REFRESH_THROTTLE.try_acquire(runtime.pool, user_id)
    assert acquisition is not None  # noqa: S101 - the caller's own row
    refreshed_at, is_acquired = acquisition
    if not is_acquired:
        raise _create_too_many_requests_problem(
            refreshed_at + MIN_REFRESH_INTERVAL - datetime.now(UTC),
            "The cars were refreshed less than a minute ago. Try again later.",
        )
    return refreshed_at


def _create_too_many_requests_problem(retry_after: timedelta, detail: str) -> Problem:
    headers = {"Retry-After": str(max(1, math.ceil(retry_after.total_seconds())))}
    return Problem(429, "too-many-requests", detail, headers=headers)
