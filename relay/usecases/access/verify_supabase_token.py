"""Verify a Supabase access token in a request, offline against the project's published keys."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from uuid import UUID

from relay.gateways.supabase import SupabaseUnavailable
from relay.gateways.supabase.token_verifier import SupabaseUser, TokenVerifier
from relay.identity.web_sessions import FRESH_FOR
from relay.kit.problems import Problem

CLOCK_DIFFERENCE = timedelta(minutes=1)
"""How far Supabase's clock may be ahead of ours."""


def make_token_verifier(tokens: TokenVerifier) -> Callable[[str], Awaitable[UUID | None]]:
    """Function that returns the Supabase id of a token's user; None if the token is invalid.

    It raises Problem 503 while the keys can't be fetched.
    """

    async def verify(token: str) -> UUID | None:
        supabase_user = await _verify_token(tokens, token)
        return None if supabase_user is None else supabase_user.supabase_id

    return verify


def make_recent_sign_in_check(tokens: TokenVerifier) -> Callable[[str], Awaitable[bool]]:
    """Function that returns whether a valid token's user signed in within FRESH_FOR.

    It raises Problem 503 while the keys can't be fetched.
    """

    async def is_recent(token: str) -> bool:
        supabase_user = await _verify_token(tokens, token)
        if supabase_user is None or supabase_user.signed_in_at is None:
            return False
        return -CLOCK_DIFFERENCE < datetime.now(UTC) - supabase_user.signed_in_at < FRESH_FOR

    return is_recent


async def _verify_token(tokens: TokenVerifier, token: str) -> SupabaseUser | None:
    try:
        return await tokens.verify(token)
    except SupabaseUnavailable:
        detail = "Your sign-in can't be verified because Supabase isn't responding. Try again in a moment."
        raise Problem(503, "unavailable", detail, headers={"Retry-After": "10"}) from None
