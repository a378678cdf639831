"""Resolve vehicle ids: the SQL that matches our ids and Enode's, shared by every statement that takes one.

The fragments expect the table `vehicles` under the alias `v`. Enode gives a vehicle a new id each time it is linked, so
one vehicle may have several; `vehicle_links` has them all.
"""

from typing import Any, LiteralString
from uuid import UUID

from psycopg.rows import scalar_row

from relay.kit.database import Connection, fetch_one
from relay.kit.sanitize import strip_nul

MATCHES_ID: LiteralString = """
(v.id::text = %(vehicle)s
 or v.id = (select l.vehicle_id from vehicle_links l where l.enode_vehicle_id = %(vehicle)s))
"""
"""True for the vehicle whose id, ours or any that Enode ever gave it, is the parameter `vehicle`."""

IS_SERVED: LiteralString = "v.gone_at is null and v.link_state <> 'over_limit'"
"""True for vehicles that are linked and within the plan's limit."""

CURRENT_ENODE_ID: LiteralString = """
(select l.enode_vehicle_id from vehicle_links l
 where l.vehicle_id = v.id and l.ended_at is null order by l.linked_at desc limit 1)
"""
"""Enode's newest id for the vehicle; null once it is unlinked."""

ENODE_IDS: LiteralString = """
array(select l.enode_vehicle_id from vehicle_links l where l.vehicle_id = v.id
      order by l.linked_at, l.enode_vehicle_id)
"""
"""All ids that Enode ever gave the vehicle, oldest first."""

_FIND_WITHIN_LIMIT: LiteralString = f"""
select v.id from vehicles v where v.user_id = %(user_id)s and v.link_state <> 'over_limit' and {MATCHES_ID}
"""  # noqa: S608 - our own constants
_FIND: LiteralString = f"select v.id from vehicles v where v.user_id = %(user_id)s and {MATCHES_ID}"  # noqa: S608 - our own constant
_FIND_LINKED: LiteralString = f"""
select v.id from vehicles v where v.user_id = %(user_id)s and v.gone_at is null and {MATCHES_ID}
"""  # noqa: S608 - our own constants


def build_lookup_parameters(user_id: UUID, vehicle_id: str) -> dict[str, Any]:
    """The parameters of a statement that uses `MATCHES_ID`."""
    return {"user_id": user_id, "vehicle": strip_nul(vehicle_id)}


async def find_vehicle(connection: Connection, user_id: UUID, vehicle_id: str) -> UUID | None:
    """The user's vehicle with this id, also an unlinked one and one over the plan's limit. For operators."""
    return await _find(connection, _FIND, user_id, vehicle_id)


async def find_vehicle_within_limit(connection: Connection, user_id: UUID, vehicle_id: str) -> UUID | None:
    """The user's vehicle with this id, unlinked ones too (their history stays); None if over the plan's limit."""
    return await _find(connection, _FIND_WITHIN_LIMIT, user_id, vehicle_id)


async def find_linked_vehicle(connection: Connection, user_id: UUID, vehicle_id: str) -> UUID | None:
    """The user's linked vehicle with this id, also one over the plan's limit."""
    return await _find(connection, _FIND_LINKED, user_id, vehicle_id)


async def _find(connection: Connection, statement: LiteralString, user_id: UUID, vehicle_id: str) -> UUID | None:
    return await fetch_one(connection, statement, build_lookup_parameters(user_id, vehicle_id), scalar_row)
