"""OAuth codes, grants and token pairs in the database, which stores only the SHA-256 of each secret."""

from dataclasses import dataclass
from typing import LiteralString
from uuid import UUID

from psycopg.rows import class_row, scalar_row

from relay.identity.credentials import ACCESS_TOKEN_PREFIX, generate_secret, hash_secret
from relay.identity.oauth import (
    ACCESS_TOKEN_LIFETIME,
    CODE_LIFETIME,
    CODE_PREFIX,
    INACTIVITY_LIMIT,
    MAX_UNUSED_SUCCESSORS,
    REFRESH_PREFIX,
    RefreshTokenState,
)
from relay.identity.oauth_requests import AuthorizationRequest
from relay.kit.database import Connection, fetch_all, fetch_one

_INSERT_CODE: LiteralString = """
insert into oauth_codes
    (code_hash, user_id, client_id, redirect_uri, code_challenge, name, scopes, installation, expires_at)
values (%s, %s, %s, %s, %s, %s, %s, %s, now() + %s)
"""
# A concurrent second use waits for the first to commit, and then matches no row.
_REDEEM_CODE: LiteralString = """
update oauth_codes c set used_at = now() from users u
where c.code_hash = %s and c.used_at is null and u.id = c.user_id
returning c.user_id, c.client_id, c.redirect_uri, c.code_challenge, c.name, c.scopes, c.installation,
    c.expires_at > now() and u.closed_at is null as is_valid
"""
_REVOKE_BY_CODE: LiteralString = """
update oauth_grants g set revoked_at = now() from oauth_codes c
where c.code_hash = %s and g.id = c.grant_id and g.revoked_at is null
returning g.id
"""
_INSERT_GRANT: LiteralString = """
with inserted as (
    insert into oauth_grants (user_id, client_id, name, scopes, redirect_uri, installation)
    select user_id, client_id, name, scopes, redirect_uri, installation from oauth_codes where code_hash = %(code)s
    returning id
),
code_updated as (update oauth_codes set grant_id = (select id from inserted) where code_hash = %(code)s)
select id from inserted
"""
_REVOKE_SUPERSEDED_GRANTS: LiteralString = """
update oauth_grants g set revoked_at = now() from oauth_grants n
where n.id = %s and (g.user_id, g.client_id, g.installation) = (n.user_id, n.client_id, n.installation)
  and g.id <> n.id and g.revoked_at is null
returning g.id
"""
_INSERT_PAIR: LiteralString = """
insert into oauth_tokens (grant_id, access_hash, refresh_hash, access_expires_at, replaces)
values (%s, %s, %s, now() + %s, %s)
"""
# The lock serialises refreshes of one grant until the transaction ends.
_LOCK_GRANT_FOR_REFRESH: LiteralString = """
select t.id as pair_id, t.replaces, g.id as grant_id, g.client_id, g.scopes,
    g.revoked_at is not null as is_revoked,
    g.revoked_at is not null or u.closed_at is not null or t.created_at < now() - %s as is_over
from oauth_tokens t join oauth_grants g on g.id = t.grant_id join users u on u.id = g.user_id
where t.refresh_hash = %s for no key update of g
"""
# API calls mark their pair as used without locking the grant. Locking the twins, one by one in id order, fixes which of
# them was used first.
_LOCK_TWINS: LiteralString = """
select from oauth_tokens where id = %(pair)s or replaces = %(replaces)s order by id for no key update
"""
_GET_REFRESH_STATE: LiteralString = """
with first as (
    select id, used_at from oauth_tokens
    where (id = %(pair)s or replaces = %(replaces)s) and used_at is not null order by used_at, id limit 1
)
select %(pair)s::uuid as pair_id, (select id from first) as first,
    coalesce(clock_timestamp() - (select used_at from first), interval '0') as first_used_ago,
    exists (select from oauth_tokens n where n.used_at is not null
            and n.replaces = coalesce((select id from first), %(pair)s)) as is_replaced
"""
_MARK_USED: LiteralString = "update oauth_tokens set used_at = clock_timestamp() where id = %s and used_at is null"
_DELETE_UNUSED_SUCCESSORS: LiteralString = """
delete from oauth_tokens where id in (
    select id from oauth_tokens where replaces = %s and used_at is null order by created_at desc, id offset %s)
"""
_REVOKE_GRANT: LiteralString = (
    "update oauth_grants set revoked_at = now() where id = %s and revoked_at is null returning id"
)
_FIND_GRANT: LiteralString = """
select g.id as grant_id, g.client_id from oauth_tokens t join oauth_grants g on g.id = t.grant_id
where t.refresh_hash = %(hash)s or (t.access_hash = %(hash)s and t.access_expires_at > now())
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class AuthorizationCode:
    """The authorization that a code was issued for. `is_valid`: the code had not expired and the account is open."""

    user_id: UUID
    client_id: str
    redirect_uri: str
    code_challenge: str
    name: str
    scopes: list[str]
    installation: str | None
    is_valid: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class LockedTokenPair:
    """The pair and grant of a presented refresh token.

    `is_revoked`: the grant is revoked. `is_over`: it is revoked or inactive, or the account is closed.
    """

    pair_id: UUID
    replaces: UUID | None
    grant_id: UUID
    client_id: str
    scopes: list[str]
    is_revoked: bool
    is_over: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Grant:
    """The grant that a token belongs to."""

    grant_id: UUID
    client_id: str


@dataclass(frozen=True, kw_only=True, slots=True)
class TokenPair:
    """Newly issued tokens. They can't be read again from the database."""

    access_token: str
    refresh_token: str
    scopes: list[str]


async def create_code(connection: Connection, user_id: UUID, request: AuthorizationRequest) -> str:
    """Create an authorization code for a request that the user has approved, and return it."""
    code = generate_secret(CODE_PREFIX)
    parameters = [
        hash_secret(code),
        user_id,
        request.client_id,
        request.redirect_uri,
        request.code_challenge,
        request.name,
        request.scopes,
        request.installation,
        CODE_LIFETIME,
    ]
    await connection.execute(_INSERT_CODE, parameters)
    return code


async def redeem_code(connection: Connection, code: str) -> AuthorizationCode | None:
    """Mark the code as used and return its authorization; None if the code is unknown or already used."""
    return await fetch_one(connection, _REDEEM_CODE, [hash_secret(code)], class_row(AuthorizationCode))


async def revoke_grants_by_code(connection: Connection, code: str) -> list[UUID]:
    """Revoke the grant that this code created; return the ids of the revoked grants."""
    return await _fetch_ids(connection, _REVOKE_BY_CODE, [hash_secret(code)])


async def create_grant(connection: Connection, code: str) -> tuple[UUID, list[UUID]]:
    """Create the grant of a redeemed code. Returns its id, and the ids of older grants that it replaces."""
    [grant_id] = await _fetch_ids(connection, _INSERT_GRANT, {"code": hash_secret(code)})
    return grant_id, await _fetch_ids(connection, _REVOKE_SUPERSEDED_GRANTS, [grant_id])


async def create_token_pair(
    connection: Connection, grant_id: UUID, scopes: list[str], *, replaces: UUID | None
) -> TokenPair:
    """Issue a token pair for the grant. Its first use invalidates the pair `replaces`."""
    pair = TokenPair(
        access_token=generate_secret(ACCESS_TOKEN_PREFIX), refresh_token=generate_secret(REFRESH_PREFIX), scopes=scopes
    )
    hashes = [hash_secret(pair.access_token), hash_secret(pair.refresh_token)]
    await connection.execute(_INSERT_PAIR, [grant_id, *hashes, ACCESS_TOKEN_LIFETIME, replaces])
    if replaces is not None:
        await connection.execute(_DELETE_UNUSED_SUCCESSORS, [replaces, MAX_UNUSED_SUCCESSORS])
    return pair


async def lock_pair_by_refresh_token(connection: Connection, token: str) -> LockedTokenPair | None:
    """Find the pair of a refresh token and lock its grant; None if unknown. Call it in a transaction."""
    return await fetch_one(
        connection, _LOCK_GRANT_FOR_REFRESH, [INACTIVITY_LIMIT, hash_secret(token)], class_row(LockedTokenPair)
    )


async def get_refresh_token_state(connection: Connection, pair: LockedTokenPair) -> RefreshTokenState:
    """Return the state of a pair whose grant is locked by this transaction."""
    parameters = {"pair": pair.pair_id, "replaces": pair.replaces}
    await connection.execute(_LOCK_TWINS, parameters)
    state = await fetch_one(connection, _GET_REFRESH_STATE, parameters, class_row(RefreshTokenState))
    assert state is not None  # noqa: S101 - a select without from returns its row
    return state


async def mark_pair_used(connection: Connection, pair_id: UUID) -> None:
    """Mark the pair as used by its client, which invalidates the pair that it replaces."""
    await connection.execute(_MARK_USED, [pair_id])


async def revoke_grant(connection: Connection, grant_id: UUID) -> list[UUID]:
    """Revoke a grant with all its tokens; return its id in a list, which is empty if it was already revoked."""
    return await _fetch_ids(connection, _REVOKE_GRANT, [grant_id])


async def find_grant_by_token(connection: Connection, token: str) -> Grant | None:
    """Find the grant of a token: any stored refresh token, even a replaced one, or a valid access token."""
    return await fetch_one(connection, _FIND_GRANT, {"hash": hash_secret(token)}, class_row(Grant))


async def _fetch_ids(
    connection: Connection, statement: LiteralString, parameters: dict[str, bytes] | list[object]
) -> list[UUID]:
    return await fetch_all(connection, statement, parameters, scalar_row)
