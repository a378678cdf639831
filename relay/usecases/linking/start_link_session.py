"""Show a link page, and start Enode's link session when its button is pressed: not earlier, and only once."""

import logging
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, LiteralString
from uuid import UUID

from psycopg.rows import dict_row, scalar_row

from relay.gateways.enode import EnodeClient, EnodeError, EnodeNotFound, EnodeRefused
from relay.identity.credentials import hash_secret
from relay.kit.database import Connection, Pool, fetch_one
from relay.kit.problems import Problem
from relay.usecases.calls.runtime import Runtime
from relay.usecases.linking.create_link_page import TOKEN_PATTERN
from relay.usecases.vehicles.limit_vehicles import require_vehicle_capacity
from relay.vehicles.display_name import get_display_name
from relay.vehicles.lookup import CURRENT_ENODE_ID

log = logging.getLogger(__name__)

ENODE_SCOPES = ("vehicle:read:data", "vehicle:read:location", "vehicle:control:charging")
CALLBACK_PATH = "/link-callback"

FIND: LiteralString = f"""
select p.id, p.user_id, p.vendor, p.vehicle_id, p.opened_at is not null as used, p.expires_at <= now() as expired,
       p.expires_at, u.name, u.email, v.vehicle_cache as car,
       {CURRENT_ENODE_ID} as enode_vehicle_id
from link_pages p join users u on u.id = p.user_id and u.closed_at is null and u.disabled_at is null
left join vehicles v on v.id = p.vehicle_id
where p.token_hash = %s
"""  # noqa: S608 - our own constants
# Of several requests at the same time, only one succeeds.
MARK_OPENED: LiteralString = """
update link_pages set opened_at = clock_timestamp()
where id = %s and opened_at is null and expires_at > clock_timestamp() returning opened_at
"""
SAVE_LINKED_BEFORE: LiteralString = "update link_pages set vendors_before = %s, vehicles_before = %s where id = %s"
REOPEN: LiteralString = """
update link_pages set opened_at = null where id = %s and opened_at = %s and returned_at is null and outcome is null
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class LinkPageView:
    """What a link page shows. `account` names the user who gets the vehicle, `car` the vehicle to relink."""

    id: UUID
    user_id: UUID
    state: Literal["open", "used", "expired"]
    account: str = field(repr=False)
    vendor: str | None
    car: str | None
    enode_vehicle_id: str | None
    relinks: bool
    expires_at: datetime


class LinkPageClosedError(Exception):
    """The page was used before or has expired."""


async def find_link_page_by_token(connection: Connection, token: str) -> LinkPageView | None:
    """The page with this token; None when there is none. Changes nothing."""
    if not TOKEN_PATTERN.fullmatch(token):
        return None
    row = await fetch_one(connection, FIND, [hash_secret(token)], dict_row)
    if row is None:
        return None
    names = [name for name in (row["name"], row["email"]) if name]
    return LinkPageView(
        id=row["id"],
        user_id=row["user_id"],
        state="used" if row["used"] else "expired" if row["expired"] else "open",
        account=" · ".join(names),
        vendor=row["vendor"],
        car=None if row["car"] is None else get_display_name(row["car"]),
        enode_vehicle_id=row["enode_vehicle_id"],
        relinks=row["vehicle_id"] is not None,
        expires_at=row["expires_at"],
    )


async def start_link_session(runtime: Runtime, link_page: LinkPageView) -> str:
    """Create a link session and return the URL of Enode's page. Marks our page as used, unless Enode fails.

    Raises LinkPageClosedError, EnodeError, Problem 403 at the plan's limit of vehicles, 502 without Enode.
    """
    if runtime.enode is None:
        raise create_vehicle_unreachable_problem()
    async with runtime.pool.connection() as connection:
        if not link_page.relinks:
            await require_vehicle_capacity(connection, link_page.user_id, runtime.plans)
        opened_at = await fetch_one(connection, MARK_OPENED, [link_page.id], scalar_row)
    if opened_at is None:
        raise LinkPageClosedError
    try:
        return await _create_link_session(
            runtime.enode,
            runtime.pool,
            link_page,
            redirect_uri=f"{runtime.public_url}{CALLBACK_PATH}?link={link_page.id}",
        )
    except EnodeError as error:
        log.warning("link session failed link_id=%s error=%s", link_page.id, error)
        async with runtime.pool.connection() as connection:
            await connection.execute(REOPEN, [link_page.id, opened_at])
        raise


async def _create_link_session(enode: EnodeClient, pool: Pool, link_page: LinkPageView, *, redirect_uri: str) -> str:
    vendors, vehicles = await fetch_linked_at_enode(enode, link_page.user_id)
    async with pool.connection() as connection:
        await connection.execute(SAVE_LINKED_BEFORE, [sorted(vendors), sorted(vehicles), link_page.id])
    if link_page.relinks:
        return await create_relink_session(enode, link_page.enode_vehicle_id, redirect_uri=redirect_uri)
    session = await enode.links.create(
        str(link_page.user_id),
        scopes=ENODE_SCOPES,
        language="browser",
        redirect_uri=redirect_uri,
        vendor=link_page.vendor,
    )
    return session.url


async def fetch_linked_at_enode(enode: EnodeClient, user_id: UUID) -> tuple[set[str], set[str]]:
    """The user's vendors with working credentials, and Enode's ids of the user's vehicles. Raises EnodeError."""
    try:
        user = await enode.users.get(str(user_id))
    except EnodeNotFound:  # Enode creates the user with the first link session
        return set(), set()
    vendors = {linked.vendor for linked in user.linked_vendors if linked.is_valid is not False}
    return vendors, {reading.id async for reading in enode.vehicles.list_for_user(str(user_id))}


async def create_relink_session(enode: EnodeClient, enode_vehicle_id: str | None, *, redirect_uri: str) -> str:
    """Create a relink session and return the URL of Enode's page.

    Raises EnodeError, Problem 409 while the vendor credentials still work.
    """
    if enode_vehicle_id is None:
        raise create_vehicle_unreachable_problem()
    try:
        session = await enode.links.relink(enode_vehicle_id, language="browser", redirect_uri=redirect_uri)
    except EnodeRefused:
        detail = "The link to this car still works, so there's nothing to renew."
        raise Problem(409, "not-broken", detail) from None
    return session.url


def create_vehicle_unreachable_problem() -> Problem:
    """The 502 response when Enode isn't set up here, or no longer has the vehicle."""
    detail = "The relay can't reach this car: Enode isn't set up here, or the car is no longer linked."
    return Problem(502, "enode-unavailable", detail)
