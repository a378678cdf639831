"""Report the result of linking, reading the user's vendors and vehicles from Enode while it is undecided."""

import logging
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal, LiteralString, TypedDict
from uuid import UUID

from fastapi import APIRouter, Depends
from psycopg.rows import dict_row
from pydantic import AliasChoices, BaseModel, Field

from relay.gateways.enode import EnodeClient, EnodeError, EnodeNotFound, VehicleReading
from relay.inbox.routes import get_inbox
from relay.inbox.service import Inbox
from relay.kit.database import Connection, fetch_all
from relay.kit.problems import Problem
from relay.kit.timestamps import format_timestamp
from relay.usecases.calls.authorize import authenticate_caller
from relay.usecases.calls.refresh_throttle import RefreshThrottle
from relay.usecases.calls.resolve_credential import CredentialDependency
from relay.usecases.calls.runtime import Runtime, RuntimeDependency
from relay.usecases.calls.store_readings import store_readings
from relay.usecases.linking.link_outcome import (
    LINK_SESSION_LIFETIME,
    LinkPage,
    LinkPageState,
    determine_outcome,
    find_link_page,
    save_outcome,
)
from relay.vehicles.display_name import get_display_name

log = logging.getLogger(__name__)

MIN_CHECK_INTERVAL = timedelta(seconds=3)
"""The shortest time between requests to Enode about one page, however often clients poll."""
CHECK_THROTTLE = RefreshThrottle("link_pages", MIN_CHECK_INTERVAL)

LIST_VEHICLES_OF_PAGE: LiteralString = """
select v.id, v.vehicle_cache, v.link_state from vehicles v
where v.user_id = %(user_id)s and v.gone_at is null
  and (v.id = %(vehicle_id)s
       or v.id in (select l.vehicle_id from vehicle_links l where l.enode_vehicle_id = any (%(new)s)))
order by v.created_at, v.id
"""

router = APIRouter(prefix="/api/user")


class LinkResultRequest(BaseModel):
    """The page to report on: `link_id` from link-vehicle (the classic API calls it `linkToken`)."""

    link_id: Annotated[UUID, Field(validation_alias=AliasChoices("link_id", "linkToken"))]


class LinkedVehicle(TypedDict):
    """A linked vehicle, with our id."""

    id: str
    name: str
    vendor: str | None
    link_state: Literal["ok", "broken", "over_limit"]


class LinkResult(TypedDict):
    """The result of linking. `status` repeats `state`, and `userId` is our user id, for classic clients."""

    link_id: str
    state: LinkPageState
    vendor: str | None
    vehicles: list[LinkedVehicle]
    expires_at: str
    status: LinkPageState
    userId: str


@router.post("/link-result", response_model=None, responses={200: {"model": LinkResult}})
async def post_link_result(
    runtime: RuntimeDependency,
    authorization: CredentialDependency,
    body: LinkResultRequest,
    inbox: Annotated[Inbox, Depends(get_inbox)],
) -> LinkResult:
    """The result of linking through a page, and the vehicles that were linked. Costs no call."""
    async with runtime.pool.connection() as connection:
        call = await authenticate_caller(connection, authorization, scope="control")
        runtime.rate_limiter.check(call.caller.rate_limit_key)
        page = await find_link_page(connection, body.link_id)
    if page is None or page.user_id != call.caller.user_id:
        raise Problem(404, "not-found", "No such link.")
    page = await poll_link_result(runtime, inbox, page)
    async with runtime.pool.connection() as connection:
        vehicles = await _list_vehicles_of_page(connection, page) if page.outcome == "linked" else []
    state = page.get_state(datetime.now(UTC))
    return {
        "link_id": str(page.id),
        "state": state,
        "vendor": page.vendor or next((vehicle["vendor"] for vehicle in vehicles), None),
        "vehicles": vehicles,
        "expires_at": format_timestamp(page.expires_at),
        "status": state,
        "userId": str(page.user_id),
    }


async def poll_link_result(runtime: Runtime, inbox: Inbox, page: LinkPage) -> LinkPage:
    """`page` after reading the user's vendors and vehicles from Enode, if that can change it.

    The vehicles that Enode returns go into the inbox. While Enode doesn't respond, the page is returned unchanged.
    """
    enode = runtime.enode
    if enode is None or page.opened_at is None or page.outcome == "linked":
        return page
    if page.outcome is not None and page.opened_at + LINK_SESSION_LIFETIME <= datetime.now(UTC):
        return page
    attempt = await CHECK_THROTTLE.try_acquire(runtime.pool, page.id)
    if attempt is None or not attempt[1]:
        return page
    try:
        vendors, readings = await _fetch_enode_state(runtime, enode, inbox, page.user_id)
    except EnodeError as error:
        log.info("link result check failed link_id=%s error=%s", page.id, error)
        await CHECK_THROTTLE.release(runtime.pool, page.id, attempt[0])
        return page
    runtime.request_poll()
    outcome, new_ids = determine_outcome(
        page, vendors, {reading.id: str(reading.vehicle.get("vendor")) for reading in readings}
    )
    async with runtime.pool.connection() as connection:
        if outcome is not None:
            await save_outcome(connection, page.id, outcome, new_ids)
        return await find_link_page(connection, page.id) or page


async def _fetch_enode_state(
    runtime: Runtime, enode: EnodeClient, inbox: Inbox, user_id: UUID
) -> tuple[set[str], list[VehicleReading]]:
    try:
        user = await enode.users.get(str(user_id))
    except EnodeNotFound:
        return set(), []
    began_at = datetime.now(UTC)
    readings = [reading async for reading in enode.vehicles.list_for_user(str(user_id))]
    # Enode's webhook may be late or not set up, so the vehicles are processed like events.
    await store_readings(runtime.pool, inbox, readings, began_at=began_at, user_id=user_id)
    return {linked.vendor for linked in user.linked_vendors if linked.is_valid is not False}, readings


async def _list_vehicles_of_page(connection: Connection, page: LinkPage) -> list[LinkedVehicle]:
    """The linked vehicles that are stored already. Vehicles in the inbox follow a moment later."""
    parameters = {"user_id": page.user_id, "vehicle_id": page.vehicle_id, "new": page.vehicles_new}
    rows: list[dict[str, Any]] = await fetch_all(connection, LIST_VEHICLES_OF_PAGE, parameters, dict_row)
    return [
        {
            "id": str(row["id"]),
            "name": get_display_name(row["vehicle_cache"]),
            "vendor": row["vehicle_cache"].get("vendor"),
            "link_state": row["link_state"],
        }
        for row in rows
    ]
