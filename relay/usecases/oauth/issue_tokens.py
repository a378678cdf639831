"""Issue OAuth tokens for an authorization code or a refresh token, and revoke them."""

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
from relay.identity.revoked_credentials import report_revoked_use
from relay.kit.database import Connection
from relay.kit.security_events import SecurityEvent, log_security_event
from relay.usecases.calls.runtime import Runtime


async def exchange_code(
    runtime: Runtime, *, client_id: str, code: str, verifier: str, redirect_uri: str | None
) -> TokenPair:
    """Create an installation and return its first token pair.

    A code works once, and a failed exchange uses it up too. A second use revokes the grant of the first, because it
    can't be known which of the two clients stole the code. Raises OAuthError invalid_grant.
    """
    async with runtime.pool.connection() as connection, connection.transaction():
        redeemed_code = await redeem_code(connection, code)
        revoked_ids = await revoke_grants_by_code(connection, code) if redeemed_code is None else []
        pair = None
        if redeemed_code is not None and _is_valid_exchange(redeemed_code, client_id, verifier, redirect_uri):
            grant_id, revoked_ids = await create_grant(connection, code)
            pair = await create_token_pair(connection, grant_id, redeemed_code.scopes, replaces=None)
    # Raise only after the commit, so that the code stays used and the grants stay revoked.
    _close_streams(runtime, revoked_ids)
    if pair is None:
        for grant_id in revoked_ids:
            log_security_event(SecurityEvent.AUTHORIZATION_CODE_REUSED, grant=grant_id)
        raise OAuthError("invalid_grant", "The code is unknown, expired, used, or another client's. Sign in again.")
    return pair


async def refresh_tokens(runtime: Runtime, *, client_id: str, token: str, scope: str | None) -> TokenPair:
    """Return a new token pair, which replaces the pair of this refresh token when it is first used.

    Until then the old refresh token still works, because the response may get lost. A later use of it revokes the
    grant, because the token must have been copied. Raises OAuthError: invalid_grant if access has ended, invalid_scope
    for other scopes than the approved ones.
    """
    revoked_ids: list[UUID] = []
    pair = None
    async with runtime.pool.connection() as connection, connection.transaction():
        presented = await lock_pair_by_refresh_token(connection, token)
        if presented is not None and presented.client_id == client_id and not presented.is_over:
            _require_same_scopes(presented, scope)
            runtime.rate_limiter.check(("refresh", presented.grant_id))
            pair = await _issue_successor(connection, presented)
            revoked_ids = await revoke_grant(connection, presented.grant_id) if pair is None else []
    _close_streams(runtime, revoked_ids)
    for grant_id in revoked_ids:
        log_security_event(SecurityEvent.REFRESH_TOKEN_REUSED, grant=grant_id)
    if presented is not None and presented.is_revoked:
        report_revoked_use(kind="oauth", credential_id=presented.grant_id)
    if pair is None:
        raise OAuthError("invalid_grant", "The refresh token is unknown, replaced or revoked. Sign in again.")
    return pair


async def revoke_token(runtime: Runtime, *, client_id: str | None, token: str) -> None:
    """Revoke the grant that the token belongs to. An unknown token is ignored. Raises OAuthError invalid_client."""
    async with runtime.pool.connection() as connection:
        grant = await find_grant_by_token(connection, token)
        if grant is None:
            return
        if client_id not in {None, grant.client_id}:
            raise OAuthError("invalid_client", "This token belongs to another client.")
        revoked_ids = await revoke_grant(connection, grant.grant_id)
    _close_streams(runtime, revoked_ids)


def _close_streams(runtime: Runtime, credential_ids: list[UUID]) -> None:
    """Close the streams of revoked credentials in this process. Other processes close theirs at the next check."""
    for credential_id in credential_ids:
        runtime.hub.close_credential_streams(credential_id)


def _is_valid_exchange(code: AuthorizationCode, client_id: str, verifier: str, redirect_uri: str | None) -> bool:
    return (
        code.is_valid
        and code.client_id == client_id
        and redirect_uri in {None, code.redirect_uri}
        and verify_code_challenge(verifier, code.code_challenge)
    )


def _require_same_scopes(presented: LockedTokenPair, scope: str | None) -> None:
    if scope is not None and parse_scopes(scope) != presented.scopes:
        raise OAuthError(
            "invalid_scope",
            f"A refresh can't change the scopes. Approved: {' '.join(presented.scopes)}.",
        )


async def _issue_successor(connection: Connection, presented: LockedTokenPair) -> TokenPair | None:
    """Issue a pair that replaces the presented one, or its twin that was used first (see RefreshTokenState).

    None if the refresh token was replaced before: its reuse is a security event.
    """
    replaces = find_pair_to_replace(await get_refresh_token_state(connection, presented))
    if replaces is None:
        return None
    if replaces == presented.pair_id:
        await mark_pair_used(connection, presented.pair_id)
    return await create_token_pair(connection, presented.grant_id, presented.scopes, replaces=replaces)
