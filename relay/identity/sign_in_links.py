"""One-time links that sign in the owner of a self-hosted relay. They are printed where only the operator looks."""

from datetime import timedelta
from typing import LiteralString
from uuid import UUID

from relay.identity.credentials import key_hash, new_secret
from relay.kit.database import Connection, SyncConnection

PREFIX = "evl_"
LIVES = timedelta(minutes=15)

_MAKE: LiteralString = """
with old as (delete from sign_in_links where expires_at < now())
insert into sign_in_links (token_hash, user_id, expires_at) values (%s, %s, now() + %s)
"""
_KNOWN: LiteralString = "select from sign_in_links where token_hash = %s and expires_at > now()"
_BURN: LiteralString = "delete from sign_in_links where token_hash = %s and expires_at > now() returning user_id"
# Two links may be used at once: the lock lets one of them make the owner, and the other find it.
_ONE_AT_A_TIME: LiteralString = "select pg_advisory_xact_lock(hashtext('evconduit owner'))"
_OWNER: LiteralString = "select id from users where closed_at is null order by created_at, id limit 1"
_MAKE_OWNER: LiteralString = """
with made as (insert into users (role, language) values ('admin', %s) returning id),
     feed as (insert into feeds (user_id) select id from made)
select id from made
"""


def make_link(connection: SyncConnection, user_id: UUID | None) -> str:
    """The secret part of a link that signs this user in, or (None) the owner, who begins to exist by it."""
    token = new_secret(PREFIX)
    connection.execute(_MAKE, [key_hash(token), user_id, LIVES])
    return token


async def is_good(connection: Connection, token: str) -> bool:
    """Whether this link would sign somebody in now."""
    return await (await connection.execute(_KNOWN, [key_hash(token)])).fetchone() is not None


async def burn_link(connection: Connection, token: str, *, language: str) -> UUID | None:
    """Use a link up; whom it signs in. None when it is unknown, too old or used. To be called in a transaction."""
    row = await (await connection.execute(_BURN, [key_hash(token)])).fetchone()
    if row is None:
        return None
    return UUID(str(row[0])) if row[0] is not None else await find_owner(connection, language=language)


async def find_owner(connection: Connection, *, language: str = "en-US") -> UUID:
    """The first account, made when there is none. To be called in a transaction."""
    row = await (await connection.execute(_OWNER)).fetchone()
    if row is None:
        await connection.execute(_ONE_AT_A_TIME)
        row = await (await connection.execute(_OWNER)).fetchone()
    row = row or await (await connection.execute(_MAKE_OWNER, [language])).fetchone()
    assert row is not None  # noqa: S101 - an insert without a conflict clause returns its row
    return UUID(str(row[0]))
