"""Read link pages, and determine and store how linking through them ended.

Enode keeps no result of a link session. The outcome is derived from the user's vendors and vehicles at Enode, compared
with those before, and from the redirect back to the relay.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, LiteralString
from uuid import UUID

from psycopg.rows import class_row

from relay.kit.database import Connection, fetch_one
from relay.kit.sanitize import strip_nul

LINK_SESSION_LIFETIME = timedelta(hours=24)
"""How long Enode's page stays usable."""
CANCELLED_BY_USER = "cancelledByUser"
"""Enode's error type for a user who cancelled on its page."""

type LinkOutcome = Literal["linked", "cancelled", "failed"]
type LinkPageState = Literal["waiting", "linked", "cancelled", "failed", "expired"]

FIND: LiteralString = """
select id, user_id, vendor, vehicle_id, expires_at, opened_at, vendors_before, vehicles_before, returned_at, error,
       outcome, vehicles_new
from link_pages where id = %s
"""
RECORD_RETURN: LiteralString = """
update link_pages set returned_at = now(), error = %(error)s
where id = %(id)s and opened_at is not null and returned_at is null
"""
# The first outcome stays, except that "linked" replaces the others: a user may cancel and then succeed in another tab.
SET_OUTCOME: LiteralString = """
update link_pages set outcome = %(outcome)s, vehicles_new = %(new)s
where id = %(id)s and opened_at is not null and outcome is distinct from 'linked'
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class LinkPage:
    """A link page and its progress so far.

    `vendors_before` and `vehicles_before` are what the user had at Enode when the page was opened.
    """

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
        """The outcome if there is one, else whether the page can still be used."""
        if self.outcome is not None:
            return self.outcome
        ends_at = self.expires_at if self.opened_at is None else self.opened_at + LINK_SESSION_LIFETIME
        return "expired" if ends_at <= now else "waiting"


async def find_link_page(connection: Connection, link_id: UUID) -> LinkPage | None:
    """The page with this id."""
    return await fetch_one(connection, FIND, [link_id], class_row(LinkPage))


async def record_return(connection: Connection, link_id: UUID, error: str | None) -> LinkPage | None:
    """Record that Enode redirected the browser back, with its error type if any. Returns the page if it exists."""
    await connection.execute(RECORD_RETURN, {"id": link_id, "error": error and strip_nul(error)})
    return await find_link_page(connection, link_id)


async def save_outcome(
    connection: Connection, link_id: UUID, outcome: LinkOutcome, enode_vehicle_ids: set[str]
) -> None:
    """Store the outcome of a page and Enode's ids of the newly linked vehicles, unless it is `linked` already."""
    await connection.execute(SET_OUTCOME, {"id": link_id, "outcome": outcome, "new": sorted(enode_vehicle_ids)})


def determine_outcome(
    page: LinkPage, vendors: set[str], vehicles: Mapping[str, str]
) -> tuple[LinkOutcome | None, set[str]]:
    """The outcome of `page` (None while undecided), and Enode's ids of the vehicles that it linked.

    `vendors` are those whose credentials work now; `vehicles` maps the ids of all vehicles to their vendors. A user may
    link two vendors at the same time, so for a page that names a vendor, vehicles of another one decide nothing until
    the browser has returned.
    """
    has_returned = page.returned_at is not None and page.error is None
    new_vendors = vendors - set(page.vendors_before)
    new_vehicles = {
        vehicle_id: vendor for vehicle_id, vendor in vehicles.items() if vehicle_id not in page.vehicles_before
    }
    if page.vendor is not None:
        new_ids_of_vendor = {vehicle_id for vehicle_id, vendor in new_vehicles.items() if vendor == page.vendor}
        # An account that was linked before and is linked again shows no difference, except that the browser returned.
        if page.vendor in new_vendors or new_ids_of_vendor or (has_returned and page.vendor in vendors):
            return "linked", new_ids_of_vendor
    if page.vendor is None or (has_returned and page.vehicle_id is None):
        is_linked_again = has_returned and page.vendor is None and vendors
        if new_vendors or new_vehicles or is_linked_again:
            return "linked", set(new_vehicles)
    if page.returned_at is None or page.error is None:
        return None, set()
    return ("cancelled" if page.error == CANCELLED_BY_USER else "failed"), set()
