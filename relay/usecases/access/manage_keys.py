"""List, create and revoke the API keys of an account. A key is shown once, on creation; only its hash is stored."""

from dataclasses import dataclass
from datetime import datetime
from typing import LiteralString
from uuid import UUID

from psycopg.rows import args_row, class_row

from relay.identity.api_keys import INSERT_API_KEY, build_api_key_row
from relay.identity.credentials import generate_api_key
from relay.kit.database import Connection, fetch_all, fetch_one
from relay.kit.problems import Problem
from relay.streams.hub import CloseStreams

MAX_KEYS = 50
"""Number of active keys that one account may have."""
MAX_NAME_LENGTH = 60

LIST_KEYS: LiteralString = """
select id, name, prefix, scopes, created_at, last_used_at, revoked_at from api_keys
where user_id = %s and (revoked_at is null or %s) order by created_at desc, id
"""
FIND_KEY: LiteralString = """
select id, name, prefix, scopes, created_at, last_used_at, revoked_at from api_keys
where user_id = %s and id = %s and revoked_at is null
"""
# Serializes creations for one user, so that none exceeds MAX_KEYS.
LOCK_USER: LiteralString = "select from users where id = %s for no key update"
COUNT_KEYS: LiteralString = "select count(*) from api_keys where user_id = %s and revoked_at is null"
REVOKE_KEY: LiteralString = """
update api_keys set revoked_at = now() where user_id = %s and id = %s and revoked_at is null
"""


class TooManyKeysError(Exception):
    """The account already has MAX_KEYS active keys."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ApiKey:
    """An API key without its secret."""

    id: UUID
    name: str
    prefix: str
    scopes: list[str]
    created_at: datetime
    last_used_at: datetime | None
    revoked_at: datetime | None


async def list_keys(connection: Connection, user_id: UUID, *, include_revoked: bool = False) -> list[ApiKey]:
    """The user's active keys, newest first; on request also the revoked ones."""
    return await fetch_all(connection, LIST_KEYS, [user_id, include_revoked], class_row(ApiKey))


async def get_key(connection: Connection, user_id: UUID, key_id: UUID) -> ApiKey:
    """The active key with this id. Raises Problem 404."""
    key = await fetch_one(connection, FIND_KEY, [user_id, key_id], class_row(ApiKey))
    if key is None:
        raise _create_key_not_found_problem()
    return key


async def create_key(
    connection: Connection, user_id: UUID, *, name: str, scopes: list[str], max_keys: int | None = MAX_KEYS
) -> str:
    """Create a key and return it: only its hash is stored. Raises TooManyKeysError at `max_keys` active keys."""
    key = generate_api_key()
    async with connection.transaction():
        await connection.execute(LOCK_USER, [user_id])
        count = await fetch_one(connection, COUNT_KEYS, [user_id], args_row(int))
        if max_keys is not None and count is not None and count >= max_keys:
            raise TooManyKeysError
        await connection.execute(INSERT_API_KEY, build_api_key_row(user_id, key, name=name, scopes=scopes))
    return key


async def revoke_key(connection: Connection, user_id: UUID, key_id: UUID, close_streams: CloseStreams) -> None:
    """Revoke the key: its calls are refused, and its open streams end at once. Raises Problem 404 when it isn't active.

    Outside of a transaction, so that the revocation is committed before the streams are closed.
    """
    if not (await connection.execute(REVOKE_KEY, [user_id, key_id])).rowcount:
        raise _create_key_not_found_problem()
    close_streams(key_id)


def _create_key_not_found_problem() -> Problem:
    return Problem(404, "not-found", "No API key with this id. It may have been revoked.")
