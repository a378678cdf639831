"""A car's maker does not let Enode in any more: the user signs in there once more."""

import logging
from typing import TypedDict

from fastapi import APIRouter

from relay.gateways.enode import EnodeError, EnodeNotFound
from relay.kit.problems import Problem
from relay.kit.timestamps import format_timestamp
from relay.usecases.calls.authorize import authenticate_caller
from relay.usecases.calls.get_vehicle import get_call_vehicle
from relay.usecases.calls.resolve_credential import CredentialDependency
from relay.usecases.calls.runtime import Runtime, RuntimeDependency
from relay.usecases.linking.create_link_page import create_link_page
from relay.usecases.linking.start_link_session import CALLBACK_PATH, create_relink_session, vehicle_unreachable_problem

log = logging.getLogger(__name__)

router = APIRouter(prefix="/api/ha/v2", tags=["Home Assistant"])


class RelinkRecord(TypedDict):
    """A page of ours to open in a browser, good once. Whoever has the address can use it."""

    url: str
    expires_at: str


@router.post("/vehicles/{vehicle_id}/relink", response_model=None, responses={200: {"model": RelinkRecord}})
async def post_relink(vehicle_id: str, runtime: RuntimeDependency, authorization: CredentialDependency) -> RelinkRecord:
    """Where to sign in again with the car's maker. Costs nothing. 409 while Enode finds the link in order."""
    async with runtime.pool.connection() as connection:
        call = await authenticate_caller(connection, authorization, scope="control")
        runtime.rate_limiter.check(call.caller.rate_limit_key)
        car = await get_call_vehicle(connection, call.caller.user_id, vehicle_id)
    await _require_broken_link(runtime, car.enode_vehicle_id)
    async with runtime.pool.connection() as connection:
        page = await create_link_page(connection, call.caller.user_id, vendor=car.vendor, vehicle_id=car.vehicle_id)
    return {"url": runtime.public_url + page.path, "expires_at": format_timestamp(page.expires_at)}


async def _require_broken_link(runtime: Runtime, enode_vehicle_id: str | None) -> None:
    """Only Enode knows what it would renew. It is asked as if, and forgets a link session that nobody uses."""
    if runtime.enode is None:
        raise vehicle_unreachable_problem()
    try:
        await create_relink_session(runtime.enode, enode_vehicle_id, redirect_uri=runtime.public_url + CALLBACK_PATH)
    except EnodeNotFound:
        raise Problem(404, "not-found", "Enode does not know this vehicle any more.") from None
    except EnodeError as error:
        log.warning("a link could not be renewed: %s", error)
        raise Problem(502, "enode-unavailable", "Enode gave no page to sign in. Try again soon.") from None
