"""Change a user's name and language, and sign the user out of all browsers."""

from typing import LiteralString
from uuid import UUID

from relay.identity.web_sessions import end_user_web_sessions
from relay.usecases.account.set_language import set_language
from relay.usecases.calls.runtime import Runtime

MAX_NAME_LENGTH = 80

UPDATE_NAME: LiteralString = "update users set name = %s where id = %s"


async def update_profile(runtime: Runtime, user_id: UUID, *, name: str, language: str) -> None:
    """Save name and language (one of Enode's). Open streams send both within 30 seconds."""
    async with runtime.pool.connection() as connection, connection.transaction():
        await connection.execute(UPDATE_NAME, [name, user_id])
        await set_language(connection, user_id, language)
    runtime.feed_waker.wake([user_id])


async def sign_out_everywhere(runtime: Runtime, user_id: UUID) -> None:
    """End all web sessions of the user. Installations stay connected: users disconnect them one by one."""
    async with runtime.pool.connection() as connection:
        await end_user_web_sessions(connection, user_id)
