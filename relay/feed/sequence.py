"""A user's feed: one sequence that orders everything the user is told."""

from uuid import UUID

from relay.kit.database import Connection


async def advance_feed(connection: Connection, user_id: UUID, count: int) -> int:
    """Take the next `by` places in the user's feed and return the last of them.

    Locks the feed until the transaction ends, so that sequence order is commit order. Who writes to a user's cars or
    commands in the same transaction calls this first, or two of them can deadlock. Raises LookupError without a feed.
    """
    cursor = await connection.execute(
        "update feeds set seq = seq + %s where user_id = %s returning seq", [count, user_id]
    )
    row = await cursor.fetchone()
    if row is None:
        raise LookupError(f"user {user_id} has no feed")
    return int(str(row[0]))
