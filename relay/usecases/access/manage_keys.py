"""A person makes and ends the API keys of the account. A key is shown once, when it is made; only its hash is kept."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, LiteralString
from uuid import UUID

from psycopg.rows import class_row

from relay.identity.credentials import generate_api_key
from relay.identity.repository import INSERT_API_KEY, build_api_key_row
from relay.kit.database import Connection, fetch_all, fetch_one
from relay.kit.problems import Problem
from relay.streams.hub import CloseStreams

MAX_KEYS = 50
"""Keys of one account that work at once."""
MAX_NAME_LENGTH = 60

LIST: LiteralString = """
select id, name, prefix, scopes, created_at, last_used_at, revoked_at from api_keys
where user_id = %s and (revoked_at is null or %s) order by created_at desc, id
"""
FIND: LiteralString = """
select id, name, prefix, scopes, created_at, last_used_at, revoked_at from api_keys
where user_id = %s and id = %s and revoked_at is null
"""
# One at a time, so that the count holds.
LOCK_USER: LiteralString = "select from users where id = %s for no key update"
COUNT: LiteralString = "select count(*) from api_keys where user_id = %s and revoked_at is null"
REVOKE: LiteralString = """
update api_keys set revoked_at = now() where user_id = %s and id = %s and revoked_at is null
"""


class TooManyKeysError(Exception):
    """The account has as many keys as an account may have."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ApiKey:
    """An API key as it can be shown again: everything but the key."""

    id: UUID
    name: str
    prefix: str
    scopes: list[str]
    created_at: datetime
    last_used_at: datetime | None
    revoked_at: datetime | None


async def list_keys(connection: Connection, user_id: UUID, *, include_revoked: bool = False) -> list[ApiKey]:
    """The user's active keys, newest first; on request also the revoked ones."""
    return await fetch_all(connection, LIST, [user_id, include_revoked], class_row(ApiKey))


async def get_key(connection: Connection, user_id: UUID, key_id: UUID) -> ApiKey:
    """One of them. Raises Problem 404."""
    found = await fetch_one(connection, FIND, [user_id, key_id], class_row(ApiKey))
    if found is None:
        raise _key_not_found()
    return found


async def create_key(
    connection: Connection, user_id: UUID, *, name: str, scopes: list[str], max_keys: int | None = MAX_KEYS
) -> str:
    """Create a key and return it: only its hash is stored. Raises TooManyKeysError at `max_keys` active keys."""
    key = generate_api_key()
    async with connection.transaction():
        await connection.execute(LOCK_USER, [user_id])
        row: Any = await (await connection.execute(COUNT, [user_id])).fetchone()
        if max_keys is not None and row[0] >= max_keys:
            raise TooManyKeysError
        await connection.execute(INSERT_API_KEY, build_api_key_row(user_id, key, name=name, scopes=scopes))
    return key


async def revoke_key(connection: Connection, user_id: UUID, key_id: UUID, close_streams: CloseStreams) -> None:
    """Revoke a key: calls are refused, and its open streams end at once. Raises Problem 404 when it isn't active.

    Outside of a transaction, so that the revocation is committed before the streams are closed.
    """
    if not (await connection.execute(REVOKE, [user_id, key_id])).rowcount:
        raise _key_not_found()
    close_streams(key_id)


def _key_not_found() -> Problem:
    return Problem(404, "not-found", "No such key.")
