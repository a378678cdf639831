"""Whose token this is, found out here and without asking anybody: Supabase's public keys are at hand."""

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import jwt

from relay.gateways.supabase.signing_keys import ALGORITHM, SigningKeys

AUDIENCE = "authenticated"
LEEWAY_SECONDS = 30
MAX_TOKEN_LENGTH = 16 * 1024
MAX_NAME_LENGTH = 80
_REQUIRED_CLAIMS = ["exp", "iat", "iss", "aud", "sub"]


@dataclass(frozen=True, kw_only=True, slots=True)
class SupabaseUser:
    """Somebody whom Supabase has signed in. Only the id is an identity; address and name are what the person says."""

    supabase_id: UUID
    email: str | None = field(default=None, repr=False)
    name: str = field(default="", repr=False)


class TokenVerifier:
    """Reads access tokens of one project."""

    def __init__(self, keys: SigningKeys, *, issuer: str) -> None:
        self._keys = keys
        self._issuer = issuer

    async def verify(self, token: str) -> SupabaseUser | None:
        """Whose token this is; None unless Supabase signed it, for a person, and it is still good.

        Raises SupabaseUnavailable when the key that it names cannot be had.
        """
        try:
            if len(token) > MAX_TOKEN_LENGTH:
                return None
            header = jwt.get_unverified_header(token)
            kid = header.get("kid")
            # The algorithm is ours to choose, not the token's: `none`, or HS256 with the public key, is anybody's.
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
            # ValueError and TypeError: what is signed may still be of the wrong kind, and what is not signed of any.
            return None


def _parse_user(claims: dict[str, Any]) -> SupabaseUser | None:
    if claims.get("role") != AUDIENCE or claims.get("is_anonymous", False) is not False:
        return None
    about = claims.get("user_metadata")
    email = claims.get("email")
    return SupabaseUser(
        supabase_id=UUID(claims["sub"]),
        email=email if isinstance(email, str) and email else None,
        name=_parse_name(about) if isinstance(about, dict) else "",
    )


def _parse_name(metadata: dict[str, Any]) -> str:
    """What a provider calls this person. Whoever signs in can change it, so it names and proves nothing."""
    found = next((it for key in ("full_name", "name") if isinstance(it := metadata.get(key), str)), "")
    return "".join(letter for letter in found if letter.isprintable()).strip()[:MAX_NAME_LENGTH]
