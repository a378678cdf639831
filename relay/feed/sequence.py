"""The sequence number of a user's feed, which orders every message that the user receives."""

from typing import LiteralString
from uuid import UUID

from psycopg.rows import scalar_row

from relay.kit.database import Connection, fetch_one

ADVANCE: LiteralString = "update feeds set seq = seq + %s where user_id = %s returning seq"


async def advance_feed(connection: Connection, user_id: UUID, count: int) -> int:
    """Reserve the next `count` sequence numbers of the user's feed and return the last of them.

    Locks the feed until the transaction ends, so that sequence order is commit order. A transaction that also writes
    to the user's vehicles or commands calls this first; otherwise two of them can deadlock. Raises LookupError where
    there is no feed.
    """
    seq: int | None = await fetch_one(connection, ADVANCE, [count, user_id], scalar_row)
    if seq is None:
        raise LookupError(f"user {user_id} has no feed")
    return seq
