"""Relink a vehicle whose vendor credentials no longer work: the user signs in to the vendor again."""

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
from relay.usecases.linking.start_link_session import (
    CALLBACK_PATH,
    create_relink_session,
    create_vehicle_unreachable_problem,
)

log = logging.getLogger(__name__)

router = APIRouter(prefix="/api/ha/v2")


class RelinkRecord(TypedDict):
    """A page of the relay to open in a browser, usable once by anyone who has its URL.

    `link_id` is the parameter of link-result.
    """

    url: str
    expires_at: str
    link_id: str


@router.post("/vehicles/{vehicle_id}/relink", response_model=None, responses={200: {"model": RelinkRecord}})
async def post_relink(vehicle_id: str, runtime: RuntimeDependency, authorization: CredentialDependency) -> RelinkRecord:
    """Create a page for signing in to the vehicle's vendor again. Costs no call. 409 while the sign-in still works."""
    async with runtime.pool.connection() as connection:
        call = await authenticate_caller(connection, authorization, scope="control")
        runtime.rate_limiter.check(call.caller.rate_limit_key)
        vehicle = await get_call_vehicle(connection, call.caller.user_id, vehicle_id)
    await _require_broken_link(runtime, vehicle.enode_vehicle_id)
    async with runtime.pool.connection() as connection:
        page = await create_link_page(
            connection, call.caller.user_id, vendor=vehicle.vendor, vehicle_id=vehicle.vehicle_id
        )
    return {
        "url": runtime.public_url + page.path,
        "expires_at": format_timestamp(page.expires_at),
        "link_id": str(page.id),
    }


async def _require_broken_link(runtime: Runtime, enode_vehicle_id: str | None) -> None:
    """Raise Problem 409 unless Enode would relink this vehicle.

    Enode has no route to check this, so a link session is created as a trial. Enode discards an unused one.
    """
    if runtime.enode is None:
        raise create_vehicle_unreachable_problem()
    try:
        await create_relink_session(runtime.enode, enode_vehicle_id, redirect_uri=runtime.public_url + CALLBACK_PATH)
    except EnodeNotFound:
        raise Problem(404, "not-found", "Enode no longer has this car. Link it again.") from None
    except EnodeError as error:
        log.warning("relink session failed error=%s", error)
        detail = "Enode can't be reached, so there is no page to sign in. Try again in a few minutes."
        raise Problem(502, "enode-unavailable", detail) from None
