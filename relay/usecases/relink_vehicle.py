"""A car's maker does not let Enode in any more: the user signs in there once more."""

import logging
from datetime import UTC, datetime
from typing import TypedDict

from fastapi import APIRouter

from relay.gateways.enode import EnodeError, EnodeNotFound, EnodeRefused, LinkSession
from relay.kit.problems import Problem
from relay.kit.times import wire_time
from relay.usecases.authorize import authenticate
from relay.usecases.find_car import find_car
from relay.usecases.link_vehicle import CALLBACK, LIVES
from relay.usecases.present_credential import Authorization
from relay.usecases.runtime import Runtime, RuntimeDependency

log = logging.getLogger(__name__)

router = APIRouter(prefix="/api/ha/v2", tags=["Home Assistant"])


class RelinkRecord(TypedDict):
    """A page of Enode's to open in a browser, good once. Whoever has the address can use it."""

    url: str
    expires_at: str


@router.post("/vehicles/{vehicle_id}/relink", response_model=None, responses={200: {"model": RelinkRecord}})
async def post_relink(vehicle_id: str, runtime: RuntimeDependency, authorization: Authorization) -> RelinkRecord:
    """Where to sign in again with the car's maker. Costs nothing. 409 while Enode finds the link in order."""
    async with runtime.pool.connection() as connection:
        call = await authenticate(connection, authorization, scope="control")
        runtime.bursts.take(call.caller.holder)
        car = await find_car(connection, call.caller.user_id, vehicle_id)
    asked_at = datetime.now(UTC)
    session = await _open(runtime, car.enode_vehicle_id)
    return {"url": session.url, "expires_at": wire_time(asked_at + LIVES)}


async def _open(runtime: Runtime, enode_vehicle_id: str | None) -> LinkSession:
    if runtime.enode is None or enode_vehicle_id is None:
        raise Problem(502, "enode-unavailable", "There is no way to this car.")
    redirect_uri = runtime.public_url + CALLBACK
    try:
        return await runtime.enode.links.relink(enode_vehicle_id, language="browser", redirect_uri=redirect_uri)
    except EnodeRefused:
        words = "Enode finds the link to this car in order: there is nothing to renew."
        raise Problem(409, "not-broken", words) from None
    except EnodeNotFound:
        raise Problem(404, "not-found", "Enode does not know this vehicle any more.") from None
    except EnodeError as error:
        log.warning("a link could not be renewed: %s", error)
        raise Problem(502, "enode-unavailable", "Enode gave no page to sign in. Try again soon.") from None
