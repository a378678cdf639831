"""Verify Supabase's access tokens locally, with its cached public keys."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import jwt

from relay.gateways.supabase.signing_keys import ALGORITHM, SigningKeys

AUDIENCE = "authenticated"
LEEWAY_SECONDS = 30
MAX_TOKEN_LENGTH = 16 * 1024
MAX_NAME_LENGTH = 80
MAX_TIMESTAMP = 2**33
"""Upper bound of a plausible Unix time in seconds (the year 2242)."""
_REQUIRED_CLAIMS = ["exp", "iat", "iss", "aud", "sub"]


@dataclass(frozen=True, kw_only=True, slots=True)
class SupabaseUser:
    """A user signed in by Supabase. Only the id identifies them: they can change their email address and name.

    `signed_in_at` is when they last proved who they are. A token that is refreshed keeps it, unlike its `iat`.
    """

    supabase_id: UUID
    email: str | None = field(default=None, repr=False)
    name: str = field(default="", repr=False)
    signed_in_at: datetime | None = None


class TokenVerifier:
    """Verifies the access tokens of one Supabase project."""

    def __init__(self, keys: SigningKeys, *, issuer: str) -> None:
        self._keys = keys
        self._issuer = issuer

    async def verify(self, token: str) -> SupabaseUser | None:
        """Return the token's user; None unless Supabase signed it for a signed-in user and it has not expired.

        Raises SupabaseUnavailable if the signing key can't be fetched.
        """
        try:
            if len(token) > MAX_TOKEN_LENGTH:
                return None
            header = jwt.get_unverified_header(token)
            kid = header.get("kid")
            # Never let the token choose the algorithm: anybody can forge `none`, or HS256 with the public key.
            if header.get("alg") != ALGORITHM or not isinstance(kid, str):
                return None
            key = await self._keys.find(kid)
            if key is None:
                return None
            claims = jwt.decode(
                token,
                key,
                algorithms=[ALGORITHM],
                audience=AUDIENCE,
                issuer=self._issuer,
                leeway=LEEWAY_SECONDS,
                options={"require": _REQUIRED_CLAIMS},
            )
            return _parse_user(claims)
        except jwt.PyJWTError, ValueError, TypeError:
            # ValueError and TypeError: header and claims may have values of unexpected types.
            return None


def _parse_user(claims: dict[str, Any]) -> SupabaseUser | None:
    if claims.get("role") != AUDIENCE or claims.get("is_anonymous", False) is not False:
        return None
    metadata = claims.get("user_metadata")
    email = claims.get("email")
    return SupabaseUser(
        supabase_id=UUID(claims["sub"]),
        email=email if isinstance(email, str) and email else None,
        name=_parse_name(metadata) if isinstance(metadata, dict) else "",
        signed_in_at=_parse_sign_in_time(claims.get("amr")),
    )


def _parse_sign_in_time(methods: object) -> datetime | None:
    """Return the time of the newest authentication in the claim `amr`; None if it has none."""
    entries = methods if isinstance(methods, list) else []
    times = [entry.get("timestamp") for entry in entries if isinstance(entry, dict)]
    seconds = [value for value in times if type(value) is int and 0 < value < MAX_TIMESTAMP]
    return datetime.fromtimestamp(max(seconds), UTC) if seconds else None


def _parse_name(metadata: dict[str, Any]) -> str:
    """Return the display name, from the sign-in provider. The user can change it: it proves nothing."""
    name = next((value for key in ("full_name", "name") if isinstance(value := metadata.get(key), str)), "")
    return "".join(letter for letter in name if letter.isprintable()).strip()[:MAX_NAME_LENGTH]
