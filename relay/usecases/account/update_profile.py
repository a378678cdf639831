"""A person changes what the account is called and which language it speaks, and signs out wherever it was signed in."""

from typing import LiteralString
from uuid import UUID

from relay.identity.web_sessions import end_user_web_sessions
from relay.usecases.account.set_language import set_language
from relay.usecases.calls.runtime import Runtime

MAX_NAME_LENGTH = 80

UPDATE_NAME: LiteralString = "update users set name = %s where id = %s"


async def update_profile(runtime: Runtime, user_id: UUID, *, name: str, language: str) -> None:
    """`language` is one of Enode's. Open streams tell both within half a minute."""
    async with runtime.pool.connection() as connection, connection.transaction():
        await connection.execute(UPDATE_NAME, [name, user_id])
        await set_language(connection, user_id, language)
    runtime.feed_waker.wake([user_id])


async def sign_out_everywhere(runtime: Runtime, user_id: UUID) -> None:
    """End all web sessions. Installations stay: they have a page of their own."""
    async with runtime.pool.connection() as connection:
        await end_user_web_sessions(connection, user_id)
