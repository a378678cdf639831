"""One-time links that sign in the owner of a self-hosted relay. The command line prints them for the operator."""

from dataclasses import dataclass
from datetime import timedelta
from typing import LiteralString
from uuid import UUID

from psycopg.rows import class_row, dict_row, scalar_row

from relay.identity.credentials import generate_secret, hash_secret
from relay.kit.database import Connection, fetch_all, fetch_one
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
_FIND_OWNERS: LiteralString = "select id, email from users where closed_at is null order by created_at, id"
_NAME_OWNER: LiteralString = """
update users set email = %(email)s, name = coalesce(%(name)s, name), language = coalesce(%(language)s, language)
where id = %(id)s
"""
_INSERT_OWNER: LiteralString = """
with inserted as (insert into users (role, language, plan) values ('admin', %s, %s) returning id),
     feed as (insert into feeds (user_id) select id from inserted)
select id from inserted
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Owner:
    """The owner's account. Without an email address, it was created by a sign-in link and has not been named yet."""

    id: UUID
    email: str | None


async def list_owners(connection: Connection) -> list[Owner]:
    """List the open accounts of a self-hosted relay, oldest first. Earlier releases allowed several."""
    return await fetch_all(connection, _FIND_OWNERS, [], class_row(Owner))


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


async def name_owner(connection: Connection, *, email: str, name: str | None, language: str | None) -> list[Owner]:
    """Give the owner, created if missing, this address. None leaves the name or the language as it is.

    Returns the accounts: one with this address, or, if nothing was changed, one with another address or several.
    """
    async with connection.transaction():
        await connection.execute(_LOCK_OWNER_CREATION)
        owner_id = await get_or_create_owner(connection)
        owners = await list_owners(connection)
        if len(owners) > 1 or (owners[0].email or email).casefold() != email.casefold():
            return owners
        parameters = {"id": owner_id, "email": email, "name": name, "language": language}
        await connection.execute(_NAME_OWNER, parameters)
    return [Owner(id=owner_id, email=email)]
