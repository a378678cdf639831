"""How linking went. Enode keeps no result of a link session: it is read off the user, the cars, and the way back."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal, LiteralString, TypedDict
from uuid import UUID

from fastapi import APIRouter, Depends
from psycopg.rows import class_row, dict_row
from pydantic import AliasChoices, BaseModel, Field

from relay.gateways.enode import EnodeClient, EnodeError, EnodeNotFound, VehicleReading
from relay.inbox.routes import get_inbox
from relay.inbox.service import Inbox
from relay.kit.database import Connection, fetch_all, fetch_one
from relay.kit.problems import Problem
from relay.kit.sanitize import strip_nul
from relay.kit.timestamps import format_timestamp
from relay.usecases.calls.authorize import authenticate_caller
from relay.usecases.calls.refresh_throttle import RefreshThrottle
from relay.usecases.calls.resolve_credential import CredentialDependency
from relay.usecases.calls.runtime import Runtime, RuntimeDependency
from relay.usecases.calls.store_readings import store_readings
from relay.vehicles.display_name import get_display_name

log = logging.getLogger(__name__)

MIN_CHECK_INTERVAL = timedelta(seconds=3)
"""However often somebody wants to know how a page fared, Enode is asked no more often."""
CHECK_THROTTLE = RefreshThrottle("link_pages", MIN_CHECK_INTERVAL)
LINK_SESSION_LIFETIME = timedelta(hours=24)
"""How long Enode lets a person take for the way through its page."""
CANCELLED_BY_USER = "cancelledByUser"
"""Enode's word for a person who turned back."""

type LinkOutcome = Literal["linked", "cancelled", "failed"]
type LinkPageState = Literal["waiting", "linked", "cancelled", "failed", "expired"]

_SELECT_PAGE: LiteralString = """
select id, user_id, vendor, vehicle_id, expires_at, opened_at, vendors_before, vehicles_before, returned_at, error,
       outcome, vehicles_new
from link_pages
"""
FIND: LiteralString = f"{_SELECT_PAGE} where id = %s"
RECORD_RETURN: LiteralString = """
update link_pages set returned_at = now(), error = %(error)s
where id = %(id)s and opened_at is not null and returned_at is null
"""
# What was found out first stands, but for a person who first turned back or failed and got through in another window.
SET_OUTCOME: LiteralString = """
update link_pages set outcome = %(outcome)s, vehicles_new = %(new)s
where id = %(id)s and opened_at is not null and outcome is distinct from 'linked'
"""
LIST_LINKED_VEHICLES: LiteralString = """
select v.id, v.vehicle_cache, v.link_state from vehicles v
where v.user_id = %(user_id)s and v.gone_at is null
  and (v.id = %(vehicle_id)s
       or v.id in (select l.vehicle_id from vehicle_links l where l.enode_vehicle_id = any (%(new)s)))
order by v.created_at, v.id
"""

router = APIRouter(prefix="/api/user", tags=["Linking"])


@dataclass(frozen=True, kw_only=True, slots=True)
class LinkPage:
    """A link page, and what became of it so far."""

    id: UUID
    user_id: UUID
    vendor: str | None
    vehicle_id: UUID | None
    expires_at: datetime
    opened_at: datetime | None
    vendors_before: list[str]
    vehicles_before: list[str]
    returned_at: datetime | None
    error: str | None
    outcome: LinkOutcome | None
    vehicles_new: list[str]

    def get_state(self, now: datetime) -> LinkPageState:
        """How it went, as far as is known."""
        if self.outcome is not None:
            return self.outcome
        ends_at = self.expires_at if self.opened_at is None else self.opened_at + LINK_SESSION_LIFETIME
        return "expired" if ends_at <= now else "waiting"


class LinkResultRequest(BaseModel):
    """Which page is asked about: the `link_id` of link-vehicle (`linkToken` in the classic words)."""

    link_id: Annotated[UUID, Field(validation_alias=AliasChoices("link_id", "linkToken"))]


class LinkedVehicle(TypedDict):
    """A car that came of it, under our id."""

    id: str
    name: str
    vendor: str | None
    link_state: Literal["ok", "broken", "over_limit"]


class LinkResult(TypedDict):
    """How linking went. `status` and `userId` are the same in the classic words."""

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
    """How a page that was handed out fared, and which cars came of it. Costs nothing."""
    async with runtime.pool.connection() as connection:
        call = await authenticate_caller(connection, authorization, scope="control")
        runtime.rate_limiter.check(call.caller.rate_limit_key)
        page = await find_link_page(connection, body.link_id)
    if page is None or page.user_id != call.caller.user_id:
        raise Problem(404, "not-found", "No such link.")
    page = await poll_link_result(runtime, inbox, page)
    async with runtime.pool.connection() as connection:
        cars = await _list_linked_vehicles(connection, page) if page.outcome == "linked" else []
    state = page.get_state(datetime.now(UTC))
    return {
        "link_id": str(page.id),
        "state": state,
        "vendor": page.vendor or next((it["vendor"] for it in cars), None),
        "vehicles": cars,
        "expires_at": format_timestamp(page.expires_at),
        "status": state,
        "userId": str(page.user_id),
    }


async def record_return(connection: Connection, link_id: UUID, error: str | None) -> LinkPage | None:
    """The browser came back from Enode, with its word for what went wrong. The page, None when there is no such."""
    # NUL is the one character that PostgreSQL takes in no text.
    await connection.execute(RECORD_RETURN, {"id": link_id, "error": error and strip_nul(error)})
    return await find_link_page(connection, link_id)


async def find_link_page(connection: Connection, link_id: UUID) -> LinkPage | None:
    """The page of this id."""
    return await fetch_one(connection, FIND, [link_id], class_row(LinkPage))


async def poll_link_result(runtime: Runtime, inbox: Inbox, page: LinkPage) -> LinkPage:
    """`page` after a look at Enode, where there may be something to see. What it shows of cars goes into the inbox.

    While Enode does not answer, what is known stays as it is.
    """
    enode = runtime.enode
    if enode is None or page.opened_at is None or page.outcome == "linked":
        return page
    if page.outcome is not None and page.opened_at + LINK_SESSION_LIFETIME <= datetime.now(UTC):
        return page
    turn = await CHECK_THROTTLE.try_acquire(runtime.pool, page.id)
    if turn is None or not turn[1]:
        return page
    try:
        vendors, readings = await _fetch_enode_state(runtime, enode, inbox, page.user_id)
    except EnodeError as error:
        log.info("how a link went could not be asked: %s", error)
        await CHECK_THROTTLE.release(runtime.pool, page.id, turn[0])
        return page
    runtime.request_poll()
    outcome, new = determine_outcome(page, vendors, {it.id: str(it.vehicle.get("vendor")) for it in readings})
    async with runtime.pool.connection() as connection:
        if outcome is not None:
            await connection.execute(SET_OUTCOME, {"id": page.id, "outcome": outcome, "new": sorted(new)})
        return await find_link_page(connection, page.id) or page


def determine_outcome(
    page: LinkPage, vendors: set[str], vehicles: Mapping[str, str]
) -> tuple[LinkOutcome | None, set[str]]:
    """What became of `page`, and which of Enode's vehicles came of it; None while it cannot be told.

    `vendors` are those whose sign-in works now, `vehicles` the vendors of the vehicles that there are. Somebody may
    link two makers at once: another maker's say nothing about a page that names one, until the browser came back.
    """
    returned = page.returned_at is not None and page.error is None
    gained = vendors - set(page.vendors_before)
    new = {it: vendor for it, vendor in vehicles.items() if it not in page.vehicles_before}
    if page.vendor is not None:
        own = {it for it, vendor in new.items() if vendor == page.vendor}
        # An account that was linked before, linked again, shows no difference.
        if page.vendor in gained or own or (returned and page.vendor in vendors):
            return "linked", own
    if page.vendor is None or (returned and page.vehicle_id is None):
        again = returned and page.vendor is None and vendors
        if gained or new or again:
            return "linked", set(new)
    if page.returned_at is None or page.error is None:
        return None, set()
    return ("cancelled" if page.error == CANCELLED_BY_USER else "failed"), set()


async def _fetch_enode_state(
    runtime: Runtime, enode: EnodeClient, inbox: Inbox, user_id: UUID
) -> tuple[set[str], list[VehicleReading]]:
    try:
        user = await enode.users.get(str(user_id))
    except EnodeNotFound:
        return set(), []
    began_at = datetime.now(UTC)
    readings = [it async for it in enode.vehicles.list_for_user(str(user_id))]
    # The webhook may be late, or there is none: what Enode shows now is merged as what it tells.
    await store_readings(runtime.pool, inbox, readings, began_at=began_at, user_id=user_id)
    return {it.vendor for it in user.linked_vendors if it.is_valid is not False}, readings


async def _list_linked_vehicles(connection: Connection, page: LinkPage) -> list[LinkedVehicle]:
    """Those that our tables have already; one that Enode has just shown is there a moment later."""
    asked = {"user_id": page.user_id, "vehicle_id": page.vehicle_id, "new": page.vehicles_new}
    rows: list[dict[str, Any]] = await fetch_all(connection, LIST_LINKED_VEHICLES, asked, dict_row)
    return [
        {
            "id": str(row["id"]),
            "name": get_display_name(row["vehicle_cache"]),
            "vendor": row["vehicle_cache"].get("vendor"),
            "link_state": row["link_state"],
        }
        for row in rows
    ]
