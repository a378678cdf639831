"""Verify a Supabase access token in a request, offline against the project's published keys."""

from collections.abc import Awaitable, Callable
from uuid import UUID

from relay.gateways.supabase import SupabaseUnavailable
from relay.gateways.supabase.token_verifier import TokenVerifier
from relay.kit.problems import Problem


def make_token_verifier(tokens: TokenVerifier) -> Callable[[str], Awaitable[UUID | None]]:
    """Function that returns the Supabase id of a token's user; None if the token is invalid.

    It raises Problem 503 while the keys can't be fetched.
    """

    async def verify(token: str) -> UUID | None:
        try:
            supabase_user = await tokens.verify(token)
        except SupabaseUnavailable:
            detail = "Your sign-in can't be verified because Supabase isn't responding. Try again in a moment."
            raise Problem(503, "unavailable", detail, headers={"Retry-After": "10"}) from None
        return None if supabase_user is None else supabase_user.supabase_id

    return verify
