"""A person changes what the account is called and which language it speaks, and signs out wherever it was signed in."""

from typing import LiteralString
from uuid import UUID

from relay.identity.sessions import end_sessions
from relay.usecases.choose_language import choose_language
from relay.usecases.runtime import Runtime

LONGEST_NAME = 80

RENAME: LiteralString = "update users set name = %s where id = %s"


async def change_profile(runtime: Runtime, user_id: UUID, *, name: str, language: str) -> None:
    """`language` is one of Enode's. Open streams tell both within half a minute."""
    async with runtime.pool.connection() as connection, connection.transaction():
        await connection.execute(RENAME, [name, user_id])
        await choose_language(connection, user_id, language)
    runtime.feed_waker.wake([user_id])


async def sign_out_everywhere(runtime: Runtime, user_id: UUID) -> None:
    """End all web sessions. Installations stay: they have a page of their own."""
    async with runtime.pool.connection() as connection:
        await end_sessions(connection, user_id)
