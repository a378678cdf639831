"""Find the vehicle of a free call. For a metered call, `authorize_call` finds it in the statement that charges."""

from typing import LiteralString
from uuid import UUID

from psycopg.rows import dict_row

from relay.kit.database import Connection, fetch_one
from relay.kit.problems import Problem
from relay.usecases.calls.authorize import CallVehicle
from relay.vehicles.lookup import CURRENT_ENODE_ID, IS_SERVED, MATCHES_ID, build_lookup_parameters

FIND: LiteralString = f"""
select v.id as vehicle_id, v.vendor, v.vehicle_cache || v.corrected as vehicle,
       {CURRENT_ENODE_ID} as enode_vehicle_id
from vehicles v
where v.user_id = %(user_id)s and {IS_SERVED} and {MATCHES_ID}
"""  # noqa: S608 - our own constants


async def get_call_vehicle(connection: Connection, user_id: UUID, vehicle_id: str) -> CallVehicle:
    """Return the user's vehicle with this id, ours or Enode's.

    Raises the same Problem 404 for an unknown vehicle and for another user's.
    """
    row = await fetch_one(connection, FIND, build_lookup_parameters(user_id, vehicle_id), dict_row)
    if row is None:
        raise Problem(404, "not-found", "No such vehicle.")
    return CallVehicle(**row)
