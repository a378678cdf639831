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
from relay.usecases.answer_in_classic_words import ClassicRoute
from relay.usecases.authorize import authenticate
from relay.usecases.poll_enode import take_readings
from relay.usecases.present_credential import Authorization
from relay.usecases.runtime import Runtime, RuntimeDependency
from relay.usecases.take_turn import Turns

log = logging.getLogger(__name__)

REFRESH_EVERY = timedelta(minutes=1)
"""Enode itself hears from most vendors less often than this."""
TURNS = Turns("users", REFRESH_EVERY)

router = APIRouter(prefix="/api/ha", tags=["Classic"], route_class=ClassicRoute)


@router.post("/refresh", response_model=None)
async def post_refresh(
    runtime: RuntimeDependency, authorization: Authorization, inbox: Annotated[Inbox, Depends(get_inbox)]
) -> dict[str, Any]:
    """Ask Enode for all cars of the user now; what is new is told the usual way. Once a minute. Costs nothing."""
    enode = runtime.enode
    async with runtime.pool.connection() as connection:
        user_id = (await authenticate(connection, authorization, scope="read")).caller.user_id
    if enode is None:
        raise Problem(502, "enode-unavailable", "This relay has no way to Enode.")
    claimed_at = await _claim(runtime, user_id)
    try:
        updated = await _look(runtime, enode, inbox, user_id)
    except EnodeRateLimited as error:
        raise _too_soon(error.retry_after or REFRESH_EVERY, "Enode is asked too often just now.") from None
    except EnodeError as error:
        log.info("a refresh did not get through: %s", error)
        await TURNS.give_back(runtime.pool, user_id, claimed_at)
        raise Problem(502, "enode-unavailable", "Enode was not reached. Try again soon.") from None
    return {"status": "success", "vehicles_updated": updated, "message": f"Vehicles with news: {updated}."}


async def _look(runtime: Runtime, enode: EnodeClient, inbox: Inbox, user_id: UUID) -> int:
    began_at = datetime.now(UTC)
    readings = [reading async for reading in enode.vehicles.of_user(str(user_id))]
    receipt = await take_readings(runtime.pool, inbox, readings, began_at=began_at, user_id=user_id)
    return receipt.stored


async def _claim(runtime: Runtime, user_id: UUID) -> datetime:
    """Take the user's turn, and return when that was. Raises Problem 429 when it was taken just now."""
    turn = await TURNS.take(runtime.pool, user_id)
    assert turn is not None  # noqa: S101 - the caller's own row
    at, mine = turn
    if not mine:
        raise _too_soon(at + REFRESH_EVERY - datetime.now(UTC), "The cars were refreshed just now.")
    return at


def _too_soon(wait: timedelta, words: str) -> Problem:
    again = {"Retry-After": str(max(1, math.ceil(wait.total_seconds())))}
    return Problem(429, "too-many-requests", words, headers=again)
