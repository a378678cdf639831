"""The car that a free call is about; metered calls find theirs in the one statement that charges for it."""

from typing import LiteralString
from uuid import UUID

from psycopg.rows import dict_row

from relay.kit.database import Connection, fetch_one
from relay.kit.problems import Problem
from relay.usecases.calls.authorize import CallVehicle
from relay.vehicles.lookup import CURRENT_ENODE_ID, IS_SERVED, MATCHES_ID, lookup_parameters

FIND: LiteralString = f"""
select v.id as vehicle_id, v.vendor, v.vehicle_cache || v.corrected as vehicle,
       {CURRENT_ENODE_ID} as enode_vehicle_id
from vehicles v
where v.user_id = %(user_id)s and {IS_SERVED} and {MATCHES_ID}
"""  # noqa: S608 - our own constants


async def get_call_vehicle(connection: Connection, user_id: UUID, vehicle_id: str) -> CallVehicle:
    """The user's car with this id of ours or of Enode's. Raises Problem 404, the same for foreign and unknown ones."""
    row = await fetch_one(connection, FIND, lookup_parameters(user_id, vehicle_id), dict_row)
    if row is None:
        raise Problem(404, "not-found", "No such vehicle.")
    return CallVehicle(**row)
