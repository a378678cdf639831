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
from relay.kit.database import Connection
from relay.kit.problems import Problem
from relay.kit.times import wire_time
from relay.usecases.authorize import authenticate
from relay.usecases.poll_enode import take_readings
from relay.usecases.present_credential import Authorization
from relay.usecases.runtime import Runtime, RuntimeDependency
from relay.usecases.take_turn import Turns
from relay.vehicles.recognise import name_of

log = logging.getLogger(__name__)

ASK_EVERY = timedelta(seconds=3)
"""However often somebody wants to know how a page fared, Enode is asked no more often."""
TURNS = Turns("link_pages", ASK_EVERY)
SESSION_LIVES = timedelta(hours=24)
"""How long Enode lets a person take for the way through its page."""
LEFT = "cancelledByUser"
"""Enode's word for a person who turned back."""

type Outcome = Literal["linked", "cancelled", "failed"]
type State = Literal["waiting", "linked", "cancelled", "failed", "expired"]

_PAGE: LiteralString = """
select id, user_id, vendor, vehicle_id, expires_at, opened_at, vendors_before, vehicles_before, returned_at, error,
       outcome, vehicles_new
from link_pages
"""
FIND: LiteralString = f"{_PAGE} where id = %s"
RETURNED: LiteralString = """
update link_pages set returned_at = now(), error = %(error)s
where id = %(id)s and opened_at is not null and returned_at is null
"""
# What was found out first stands, but for a person who first turned back or failed and got through in another window.
SETTLE: LiteralString = """
update link_pages set outcome = %(outcome)s, vehicles_new = %(new)s
where id = %(id)s and opened_at is not null and outcome is distinct from 'linked'
"""
CARS: LiteralString = """
select v.id, v.vehicle_cache, v.link_state from vehicles v
where v.user_id = %(user_id)s and v.gone_at is null
  and (v.id = %(vehicle_id)s
       or v.id in (select l.vehicle_id from vehicle_links l where l.enode_vehicle_id = any (%(new)s)))
order by v.created_at, v.id
"""

router = APIRouter(prefix="/api/user", tags=["Linking"])


@dataclass(frozen=True, kw_only=True, slots=True)
class Page:
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
    outcome: Outcome | None
    vehicles_new: list[str]

    def state(self, now: datetime) -> State:
        """How it went, as far as is known."""
        if self.outcome is not None:
            return self.outcome
        ends_at = self.expires_at if self.opened_at is None else self.opened_at + SESSION_LIVES
        return "expired" if ends_at <= now else "waiting"


class LinkQuestion(BaseModel):
    """Which page is asked about: the `link_id` of link-vehicle (`linkToken` in the classic words)."""

    link_id: Annotated[UUID, Field(validation_alias=AliasChoices("link_id", "linkToken"))]


class LinkedCar(TypedDict):
    """A car that came of it, under our id."""

    id: str
    name: str
    vendor: str | None
    link_state: Literal["ok", "broken", "over_limit"]


class LinkResult(TypedDict):
    """How linking went. `status` and `userId` are the same in the classic words."""

    link_id: str
    state: State
    vendor: str | None
    vehicles: list[LinkedCar]
    expires_at: str
    status: State
    userId: str


@router.post("/link-result", response_model=None, responses={200: {"model": LinkResult}})
async def post_link_result(
    runtime: RuntimeDependency,
    authorization: Authorization,
    question: LinkQuestion,
    inbox: Annotated[Inbox, Depends(get_inbox)],
) -> LinkResult:
    """How a page that was handed out fared, and which cars came of it. Costs nothing."""
    async with runtime.pool.connection() as connection:
        call = await authenticate(connection, authorization, scope="control")
        runtime.bursts.take(call.caller.holder)
        page = await find_page(connection, question.link_id)
    if page is None or page.user_id != call.caller.user_id:
        raise Problem(404, "not-found", "No such link.")
    page = await follow_link(runtime, inbox, page)
    async with runtime.pool.connection() as connection:
        cars = await _cars(connection, page) if page.outcome == "linked" else []
    state = page.state(datetime.now(UTC))
    return {
        "link_id": str(page.id),
        "state": state,
        "vendor": page.vendor or next((it["vendor"] for it in cars), None),
        "vehicles": cars,
        "expires_at": wire_time(page.expires_at),
        "status": state,
        "userId": str(page.user_id),
    }


async def note_return(connection: Connection, link_id: UUID, error: str | None) -> Page | None:
    """The browser came back from Enode, with its word for what went wrong. The page, None when there is no such."""
    # NUL is the one character that PostgreSQL takes in no text.
    await connection.execute(RETURNED, {"id": link_id, "error": error and error.replace("\0", "")})
    return await find_page(connection, link_id)


async def find_page(connection: Connection, link_id: UUID) -> Page | None:
    """The page of this id."""
    async with connection.cursor(row_factory=class_row(Page)) as cursor:
        await cursor.execute(FIND, [link_id])
        return await cursor.fetchone()


async def follow_link(runtime: Runtime, inbox: Inbox, page: Page) -> Page:
    """`page` after a look at Enode, where there may be something to see. What it shows of cars goes into the inbox.

    While Enode does not answer, what is known stays as it is.
    """
    enode = runtime.enode
    if enode is None or page.opened_at is None or page.outcome == "linked":
        return page
    if page.outcome is not None and page.opened_at + SESSION_LIVES <= datetime.now(UTC):
        return page
    turn = await TURNS.take(runtime.pool, page.id)
    if turn is None or not turn[1]:
        return page
    try:
        vendors, readings = await _look(runtime, enode, inbox, page.user_id)
    except EnodeError as error:
        log.info("how a link went could not be asked: %s", error)
        await TURNS.give_back(runtime.pool, page.id, turn[0])
        return page
    runtime.look_soon()
    outcome, new = outcome_of(page, vendors, {it.id: str(it.vehicle.get("vendor")) for it in readings})
    async with runtime.pool.connection() as connection:
        if outcome is not None:
            await connection.execute(SETTLE, {"id": page.id, "outcome": outcome, "new": sorted(new)})
        return await find_page(connection, page.id) or page


def outcome_of(page: Page, vendors: set[str], vehicles: Mapping[str, str]) -> tuple[Outcome | None, set[str]]:
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
    return ("cancelled" if page.error == LEFT else "failed"), set()


async def _look(
    runtime: Runtime, enode: EnodeClient, inbox: Inbox, user_id: UUID
) -> tuple[set[str], list[VehicleReading]]:
    try:
        user = await enode.users.get(str(user_id))
    except EnodeNotFound:
        return set(), []
    began_at = datetime.now(UTC)
    readings = [it async for it in enode.vehicles.of_user(str(user_id))]
    # The webhook may be late, or there is none: what Enode shows now is merged as what it tells.
    await take_readings(runtime.pool, inbox, readings, began_at=began_at, user_id=user_id)
    return {it.vendor for it in user.linked_vendors if it.is_valid is not False}, readings


async def _cars(connection: Connection, page: Page) -> list[LinkedCar]:
    """Those that our tables have already; one that Enode has just shown is there a moment later."""
    asked = {"user_id": page.user_id, "vehicle_id": page.vehicle_id, "new": page.vehicles_new}
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(CARS, asked)
        rows: list[dict[str, Any]] = await cursor.fetchall()
    return [
        {
            "id": str(row["id"]),
            "name": name_of(row["vehicle_cache"]),
            "vendor": row["vehicle_cache"].get("vendor"),
            "link_state": row["link_state"],
        }
        for row in rows
    ]
