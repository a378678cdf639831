"""One-time links that sign in the owner of a self-hosted relay. The command line prints them for the operator."""

from datetime import timedelta
from typing import LiteralString
from uuid import UUID

from psycopg.rows import dict_row, scalar_row

from relay.identity.credentials import generate_secret, hash_secret
from relay.kit.database import Connection, fetch_one
from relay.plans import OPERATOR_PLAN

PREFIX = "evl_"
LIFETIME = timedelta(minutes=15)

_INSERT_LINK: LiteralString = """
with old as (delete from sign_in_links where expires_at < now())
insert into sign_in_links (token_hash, user_id, expires_at) values (%s, %s, now() + %s)
"""
_FIND_VALID_LINK: LiteralString = "select from sign_in_links where token_hash = %s and expires_at > now()"
_REDEEM_LINK: LiteralString = "delete from sign_in_links where token_hash = %s and expires_at > now() returning user_id"
# If two links are used at once, the lock makes one create the owner and the other find it.
_LOCK_OWNER_CREATION: LiteralString = "select pg_advisory_xact_lock(hashtext('evconduit owner'))"
_FIND_OWNER: LiteralString = "select id from users where closed_at is null order by created_at, id limit 1"
_INSERT_OWNER: LiteralString = """
with inserted as (insert into users (role, language, plan) values ('admin', %s, %s) returning id),
     feed as (insert into feeds (user_id) select id from inserted)
select id from inserted
"""


async def create_sign_in_link(connection: Connection, user_id: UUID | None) -> str:
    """Create a link that signs in this user, or the owner if None, and return its secret part.

    The owner's account is created when the link is used, if there is none yet.
    """
    token = generate_secret(PREFIX)
    await connection.execute(_INSERT_LINK, [hash_secret(token), user_id, LIFETIME])
    return token


async def is_sign_in_link_valid(connection: Connection, token: str) -> bool:
    """Return whether this link is unused and has not expired."""
    return (await connection.execute(_FIND_VALID_LINK, [hash_secret(token)])).rowcount > 0


async def redeem_sign_in_link(connection: Connection, token: str, *, language: str) -> UUID | None:
    """Use up a link and return the user it signs in; None if it is unknown, expired or used. Call in a transaction."""
    row = await fetch_one(connection, _REDEEM_LINK, [hash_secret(token)], dict_row)
    if row is None:
        return None
    user_id: UUID | None = row["user_id"]  # None: the link is for the owner
    return user_id or await get_or_create_owner(connection, language=language)


async def get_or_create_owner(connection: Connection, *, language: str = "en-US") -> UUID:
    """Return the first account, creating it if there is none. Call it in a transaction."""
    owner_id: UUID | None = await fetch_one(connection, _FIND_OWNER, [], scalar_row)
    if owner_id is None:
        await connection.execute(_LOCK_OWNER_CREATION)
        owner_id = await fetch_one(connection, _FIND_OWNER, [], scalar_row)
    if owner_id is None:
        owner_id = await fetch_one(connection, _INSERT_OWNER, [language, OPERATOR_PLAN], scalar_row)
    assert owner_id is not None  # noqa: S101 - an insert without a conflict clause returns its row
    return owner_id
