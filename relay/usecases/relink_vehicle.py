"""A car's maker does not let Enode in any more: the user signs in there once more."""

import logging
from typing import TypedDict

from fastapi import APIRouter

from relay.gateways.enode import EnodeError, EnodeNotFound
from relay.kit.problems import Problem
from relay.kit.times import wire_time
from relay.usecases.authorize import authenticate
from relay.usecases.find_car import find_car
from relay.usecases.hand_out_link import hand_out_link
from relay.usecases.open_link import CALLBACK, no_way, renew_link
from relay.usecases.present_credential import Authorization
from relay.usecases.runtime import Runtime, RuntimeDependency

log = logging.getLogger(__name__)

router = APIRouter(prefix="/api/ha/v2", tags=["Home Assistant"])


class RelinkRecord(TypedDict):
    """A page of ours to open in a browser, good once. Whoever has the address can use it."""

    url: str
    expires_at: str


@router.post("/vehicles/{vehicle_id}/relink", response_model=None, responses={200: {"model": RelinkRecord}})
async def post_relink(vehicle_id: str, runtime: RuntimeDependency, authorization: Authorization) -> RelinkRecord:
    """Where to sign in again with the car's maker. Costs nothing. 409 while Enode finds the link in order."""
    async with runtime.pool.connection() as connection:
        call = await authenticate(connection, authorization, scope="control")
        runtime.bursts.take(call.caller.holder)
        car = await find_car(connection, call.caller.user_id, vehicle_id)
    await _must_be_broken(runtime, car.enode_vehicle_id)
    async with runtime.pool.connection() as connection:
        page = await hand_out_link(connection, call.caller.user_id, vendor=car.vendor, vehicle_id=car.vehicle_id)
    return {"url": runtime.public_url + page.path, "expires_at": wire_time(page.expires_at)}


async def _must_be_broken(runtime: Runtime, enode_vehicle_id: str | None) -> None:
    """Only Enode knows what it would renew. It is asked as if, and forgets a link session that nobody uses."""
    if runtime.enode is None:
        raise no_way()
    try:
        await renew_link(runtime.enode, enode_vehicle_id, redirect_uri=runtime.public_url + CALLBACK)
    except EnodeNotFound:
        raise Problem(404, "not-found", "Enode does not know this vehicle any more.") from None
    except EnodeError as error:
        log.warning("a link could not be renewed: %s", error)
        raise Problem(502, "enode-unavailable", "Enode gave no page to sign in. Try again soon.") from None
