"""The id of this relay, by which Home Assistant recognizes it at whatever address. A migration creates it."""

from typing import LiteralString

from psycopg.rows import scalar_row

from relay.kit.database import Connection, fetch_one

FIND: LiteralString = "select value #>> '{}' from settings where key = 'instance_id'"


async def fetch_instance_id(connection: Connection) -> str:
    """The id of this relay."""
    return str(await fetch_one(connection, FIND, [], scalar_row))
