"""Tokens for a Home Assistant: for the code that its owner's browser brought, and again before they run out."""

from uuid import UUID

from relay.identity.oauth import OAuthError, answers_challenge, read_scopes, successor_of
from relay.identity.oauth_repository import (
    Code,
    Pair,
    Refreshing,
    add_grant,
    add_pair,
    burn_code,
    find_by_token,
    lock_by_refresh_token,
    mark_used,
    revoke_by_code,
    revoke_grant,
    standing_of,
)
from relay.kit.database import Connection
from relay.usecases.runtime import Runtime


async def exchange_code(
    runtime: Runtime, *, client_id: str, code: str, verifier: str, redirect_uri: str | None
) -> Pair:
    """The first tokens of a new installation, which from now on its owner sees.

    A code works once, and one wrong try uses it up. Used twice it ends what it gave, whoever of the two was the thief.
    Raises OAuthError invalid_grant.
    """
    async with runtime.pool.connection() as connection, connection.transaction():
        burned = await burn_code(connection, code)
        ended = await revoke_by_code(connection, code) if burned is None else []
        pair = None
        if burned is not None and _fits(burned, client_id, verifier, redirect_uri):
            grant_id, ended = await add_grant(connection, code)
            pair = await add_pair(connection, grant_id, burned.scopes, replaces=None)
    # Beyond the transaction: what was revoked or used up in it stays so.
    _close_streams(runtime, ended)
    if pair is None:
        raise OAuthError("invalid_grant", "The code is unknown, too old, used, or not for this client.")
    return pair


async def refresh(runtime: Runtime, *, client_id: str, token: str, scope: str | None) -> Pair:
    """Tokens that take the place of this refresh token's pair from when they are first used.

    Until then the old refresh token still works: an answer may be lost. Afterwards showing it ends the installation,
    for somebody has a copy. Raises OAuthError invalid_grant when access is gone, invalid_scope for other scopes.
    """
    ended: list[UUID] = []
    pair = None
    async with runtime.pool.connection() as connection, connection.transaction():
        it = await lock_by_refresh_token(connection, token)
        if it is not None and it.client_id == client_id and not it.is_over:
            _require_same(it, scope)
            runtime.bursts.take(("refresh", it.grant_id))
            pair = await _successor(connection, it)
            ended = await revoke_grant(connection, it.grant_id) if pair is None else []
    _close_streams(runtime, ended)
    if pair is None:
        raise OAuthError("invalid_grant", "The refresh token is unknown, used, or its access was ended. Sign in again.")
    return pair


async def revoke(runtime: Runtime, *, client_id: str | None, token: str) -> None:
    """The client wants to be let out; a token that means nothing is none any more. Raises OAuthError invalid_client."""
    async with runtime.pool.connection() as connection:
        found = await find_by_token(connection, token)
        if found is None:
            return
        if client_id not in {None, found.client_id}:
            raise OAuthError("invalid_client", "This is another client's token.")
        ended = await revoke_grant(connection, found.grant_id)
    _close_streams(runtime, ended)


def _close_streams(runtime: Runtime, ended: list[UUID]) -> None:
    """End the streams of installations that were just revoked; other processes notice at their next check."""
    for credential_id in ended:
        runtime.hub.close_credential(credential_id)


def _fits(code: Code, client_id: str, verifier: str, redirect_uri: str | None) -> bool:
    return (
        code.is_good
        and code.client_id == client_id
        and redirect_uri in {None, code.redirect_uri}
        and answers_challenge(verifier, code.code_challenge)
    )


def _require_same(it: Refreshing, scope: str | None) -> None:
    if scope is not None and read_scopes(scope) != it.scopes:
        raise OAuthError("invalid_scope", f"The scopes stay as they were approved: {' '.join(it.scopes)}.")


async def _successor(connection: Connection, it: Refreshing) -> Pair | None:
    replaces = successor_of(await standing_of(connection, it))
    if replaces is None:
        return None
    if replaces == it.pair_id:
        await mark_used(connection, it.pair_id)
    return await add_pair(connection, it.grant_id, it.scopes, replaces=replaces)
