"""One-time links that sign in the owner of a self-hosted relay. They are printed where only the operator looks."""

from datetime import timedelta
from typing import LiteralString
from uuid import UUID

from relay.identity.credentials import generate_secret, hash_secret
from relay.kit.database import Connection, SyncConnection
from relay.plans import OPERATOR_PLAN

PREFIX = "evl_"
LIFETIME = timedelta(minutes=15)

_INSERT_LINK: LiteralString = """
with old as (delete from sign_in_links where expires_at < now())
insert into sign_in_links (token_hash, user_id, expires_at) values (%s, %s, now() + %s)
"""
_FIND_VALID_LINK: LiteralString = "select from sign_in_links where token_hash = %s and expires_at > now()"
_REDEEM_LINK: LiteralString = "delete from sign_in_links where token_hash = %s and expires_at > now() returning user_id"
# Two links may be used at once: the lock lets one of them make the owner, and the other find it.
_LOCK_OWNER_CREATION: LiteralString = "select pg_advisory_xact_lock(hashtext('evconduit owner'))"
_FIND_OWNER: LiteralString = "select id from users where closed_at is null order by created_at, id limit 1"
_INSERT_OWNER: LiteralString = """
with made as (insert into users (role, language, plan) values ('admin', %s, %s) returning id),
     feed as (insert into feeds (user_id) select id from made)
select id from made
"""


def create_sign_in_link(connection: SyncConnection, user_id: UUID | None) -> str:
    """The secret part of a link that signs this user in, or (None) the owner, who begins to exist by it."""
    token = generate_secret(PREFIX)
    connection.execute(_INSERT_LINK, [hash_secret(token), user_id, LIFETIME])
    return token


async def is_sign_in_link_valid(connection: Connection, token: str) -> bool:
    """Whether this link would sign somebody in now."""
    return await (await connection.execute(_FIND_VALID_LINK, [hash_secret(token)])).fetchone() is not None


async def redeem_sign_in_link(connection: Connection, token: str, *, language: str) -> UUID | None:
    """Use a link up; whom it signs in. None when it is unknown, too old or used. To be called in a transaction."""
    row = await (await connection.execute(_REDEEM_LINK, [hash_secret(token)])).fetchone()
    if row is None:
        return None
    return UUID(str(row[0])) if row[0] is not None else await get_or_create_owner(connection, language=language)


async def get_or_create_owner(connection: Connection, *, language: str = "en-US") -> UUID:
    """The first account, made when there is none. To be called in a transaction."""
    row = await (await connection.execute(_FIND_OWNER)).fetchone()
    if row is None:
        await connection.execute(_LOCK_OWNER_CREATION)
        row = await (await connection.execute(_FIND_OWNER)).fetchone()
    row = row or await (await connection.execute(_INSERT_OWNER, [language, OPERATOR_PLAN])).fetchone()
    assert row is not None  # noqa: S101 - an insert without a conflict clause returns its row
    return UUID(str(row[0]))
