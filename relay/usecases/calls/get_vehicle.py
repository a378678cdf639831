"""The car that a free call is about; metered calls find theirs in the one statement that charges for it."""

from typing import LiteralString
from uuid import UUID

from psycopg.rows import dict_row

from relay.kit.database import Connection
from relay.kit.problems import Problem
from relay.usecases.calls.authorize import CallVehicle

FIND: LiteralString = """
select v.id as vehicle_id, v.vendor, v.vehicle_cache || v.corrected as vehicle,
       (select l.enode_vehicle_id from vehicle_links l
        where l.vehicle_id = v.id and l.ended_at is null order by l.linked_at desc limit 1) as enode_vehicle_id
from vehicles v
where v.user_id = %(user_id)s and v.gone_at is null and v.link_state <> 'over_limit'
  and (v.id::text = %(vehicle)s
       or v.id = (select l.vehicle_id from vehicle_links l where l.enode_vehicle_id = %(vehicle)s))
"""


async def get_call_vehicle(connection: Connection, user_id: UUID, vehicle_id: str) -> CallVehicle:
    """The user's car with this id of ours or of Enode's. Raises Problem 404, the same for foreign and unknown ones."""
    # NUL is the one character that PostgreSQL takes in no text.
    asked = {"user_id": user_id, "vehicle": vehicle_id.replace("\0", "")}
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(FIND, asked)
        row = await cursor.fetchone()
    if row is None:
        raise Problem(404, "not-found", "No such vehicle.")
    return CallVehicle(**row)
