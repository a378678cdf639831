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
from relay.usecases.calls.runtime import Runtime

MAX_KEYS = 50
"""Keys of one account that work at once."""
MAX_NAME_LENGTH = 60

LIST: LiteralString = """
select id, name, prefix, scopes, created_at, last_used_at from api_keys
where user_id = %s and revoked_at is null order by created_at desc, id
"""
FIND: LiteralString = """
select id, name, prefix, scopes, created_at, last_used_at from api_keys
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
    """A key that works, as its holder may see it again: everything but the key."""

    id: UUID
    name: str
    prefix: str
    scopes: list[str]
    created_at: datetime
    last_used_at: datetime | None


async def list_keys(connection: Connection, user_id: UUID) -> list[ApiKey]:
    """The keys that work, the newest first."""
    return await fetch_all(connection, LIST, [user_id], class_row(ApiKey))


async def get_key(connection: Connection, user_id: UUID, key_id: UUID) -> ApiKey:
    """One of them. Raises Problem 404."""
    found = await fetch_one(connection, FIND, [user_id, key_id], class_row(ApiKey))
    if found is None:
        raise _key_not_found()
    return found


async def create_key(connection: Connection, user_id: UUID, *, name: str, scopes: list[str]) -> str:
    """A new key, to be shown now and never again. Raises TooManyKeysError."""
    key = generate_api_key()
    async with connection.transaction():
        await connection.execute(LOCK_USER, [user_id])
        row: Any = await (await connection.execute(COUNT, [user_id])).fetchone()
        if row[0] >= MAX_KEYS:
            raise TooManyKeysError
        await connection.execute(INSERT_API_KEY, build_api_key_row(user_id, key, name=name, scopes=scopes))
    return key


async def revoke_key(runtime: Runtime, user_id: UUID, key_id: UUID) -> None:
    """End a key: calls are refused at once and its streams closed. Raises Problem 404 for one that is not there."""
    async with runtime.pool.connection() as connection:
        if not (await connection.execute(REVOKE, [user_id, key_id])).rowcount:
            raise _key_not_found()
    runtime.hub.close_credential_streams(key_id)


def _key_not_found() -> Problem:
    return Problem(404, "not-found", "No such key.")
