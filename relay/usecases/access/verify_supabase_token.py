"""Whose Supabase token a request brings: verified here, against keys that are at hand."""

from collections.abc import Awaitable, Callable
from uuid import UUID

from relay.gateways.supabase import SupabaseUnavailable
from relay.gateways.supabase.token_verifier import TokenVerifier
from relay.kit.problems import Problem


def make_token_verifier(tokens: TokenVerifier) -> Callable[[str], Awaitable[UUID | None]]:
    """Tells whose token it is by Supabase's id; None for one that proves nothing. Raises Problem 503 without keys."""

    async def verify(token: str) -> UUID | None:
        try:
            person = await tokens.verify(token)
        except SupabaseUnavailable:
            words = "Who you are cannot be verified just now: Supabase does not answer."
            raise Problem(503, "unavailable", words, headers={"Retry-After": "10"}) from None
        return None if person is None else person.supabase_id

    return verify
