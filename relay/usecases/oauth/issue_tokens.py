"""Tokens for a Home Assistant: for the code that its owner's browser brought, and again before they run out."""

from uuid import UUID

from relay.identity.oauth import OAuthError, find_pair_to_replace, parse_scopes, verify_code_challenge
from relay.identity.oauth_repository import (
    AuthorizationCode,
    LockedTokenPair,
    TokenPair,
    create_grant,
    create_token_pair,
    find_grant_by_token,
    get_refresh_token_state,
    lock_pair_by_refresh_token,
    mark_pair_used,
    redeem_code,
    revoke_grant,
    revoke_grants_by_code,
)
from relay.kit.database import Connection
from relay.usecases.calls.runtime import Runtime


async def exchange_code(
    runtime: Runtime, *, client_id: str, code: str, verifier: str, redirect_uri: str | None
) -> TokenPair:
    """The first tokens of a new installation, which from now on its owner sees.

    A code works once, and one wrong try uses it up. Used twice it ends what it gave, whoever of the two was the thief.
    Raises OAuthError invalid_grant.
    """
    async with runtime.pool.connection() as connection, connection.transaction():
        burned = await redeem_code(connection, code)
        ended = await revoke_grants_by_code(connection, code) if burned is None else []
        pair = None
        if burned is not None and _is_valid_exchange(burned, client_id, verifier, redirect_uri):
            grant_id, ended = await create_grant(connection, code)
            pair = await create_token_pair(connection, grant_id, burned.scopes, replaces=None)
    # Beyond the transaction: what was revoked or used up in it stays so.
    _close_streams(runtime, ended)
    if pair is None:
        raise OAuthError("invalid_grant", "The code is unknown, too old, used, or not for this client.")
    return pair


async def refresh_tokens(runtime: Runtime, *, client_id: str, token: str, scope: str | None) -> TokenPair:
    """Tokens that take the place of this refresh token's pair from when they are first used.

    Until then the old refresh token still works: an answer may be lost. Afterwards showing it ends the installation,
    for somebody has a copy. Raises OAuthError invalid_grant when access is gone, invalid_scope for other scopes.
    """
    ended: list[UUID] = []
    pair = None
    async with runtime.pool.connection() as connection, connection.transaction():
        it = await lock_pair_by_refresh_token(connection, token)
        if it is not None and it.client_id == client_id and not it.is_over:
            _require_same_scopes(it, scope)
            runtime.rate_limiter.check(("refresh", it.grant_id))
            pair = await _issue_successor(connection, it)
            ended = await revoke_grant(connection, it.grant_id) if pair is None else []
    _close_streams(runtime, ended)
    if pair is None:
        raise OAuthError("invalid_grant", "The refresh token is unknown, used, or its access was ended. Sign in again.")
    return pair


async def revoke_token(runtime: Runtime, *, client_id: str | None, token: str) -> None:
    """The client wants to be let out; a token that means nothing is none any more. Raises OAuthError invalid_client."""
    async with runtime.pool.connection() as connection:
        found = await find_grant_by_token(connection, token)
        if found is None:
            return
        if client_id not in {None, found.client_id}:
            raise OAuthError("invalid_client", "This is another client's token.")
        ended = await revoke_grant(connection, found.grant_id)
    _close_streams(runtime, ended)


def _close_streams(runtime: Runtime, credential_ids: list[UUID]) -> None:
    """End the streams of installations that were just revoked; other processes notice at their next check."""
    for credential_id in credential_ids:
        runtime.hub.close_credential_streams(credential_id)


def _is_valid_exchange(code: AuthorizationCode, client_id: str, verifier: str, redirect_uri: str | None) -> bool:
    return (
        code.is_good
        and code.client_id == client_id
        and redirect_uri in {None, code.redirect_uri}
        and verify_code_challenge(verifier, code.code_challenge)
    )


def _require_same_scopes(presented: LockedTokenPair, scope: str | None) -> None:
    if scope is not None and parse_scopes(scope) != presented.scopes:
        raise OAuthError("invalid_scope", f"The scopes stay as they were approved: {' '.join(presented.scopes)}.")


async def _issue_successor(connection: Connection, presented: LockedTokenPair) -> TokenPair | None:
    replaces = find_pair_to_replace(await get_refresh_token_state(connection, presented))
    if replaces is None:
        return None
    if replaces == presented.pair_id:
        await mark_pair_used(connection, presented.pair_id)
    return await create_token_pair(connection, presented.grant_id, presented.scopes, replaces=replaces)
