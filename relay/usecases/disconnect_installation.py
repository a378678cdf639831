"""A Home Assistant that signed in is let out again: calls are refused at once, and its open streams end."""

from collections.abc import Iterable
from typing import LiteralString
from uuid import UUID

from relay.kit.database import Connection
from relay.usecases.runtime import Runtime

_DISCONNECT: LiteralString = """
update oauth_grants set revoked_at = now() where id = %s and user_id = %s and revoked_at is null returning id
"""


async def disconnect(runtime: Runtime, user_id: UUID, grant_id: UUID) -> bool:
    """End this installation of the user's; False when there is none."""
    async with runtime.pool.connection() as connection:
        ended = await _end(connection, user_id, grant_id)
    close_streams(runtime, [grant_id] if ended else [])
    return ended


def close_streams(runtime: Runtime, ended: Iterable[UUID]) -> None:
    """End the streams of installations that were just revoked; other processes notice at their next check."""
    for credential_id in ended:
        runtime.hub.close_credential(credential_id)


async def _end(connection: Connection, user_id: UUID, grant_id: UUID) -> bool:
    return (await connection.execute(_DISCONNECT, [grant_id, user_id])).rowcount > 0
