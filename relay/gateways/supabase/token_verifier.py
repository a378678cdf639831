"""Verify Supabase's access tokens locally, with its cached public keys."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import jwt

from relay.gateways.supabase.errors import SupabaseMisconfigured
from relay.gateways.supabase.signing_keys import ALGORITHM, SigningKeys

AUDIENCE = "authenticated"
LEEWAY_SECONDS = 30
MAX_TOKEN_LENGTH = 16 * 1024
MAX_NAME_LENGTH = 80
_KNOWN_ALGORITHMS = frozenset({"HS256", "RS256"})
"""What else a Supabase project may sign with."""
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


class _TokenRejectedError(Exception):
    """The token is invalid. The message says what the operator would have to change if Supabase has just issued it."""


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
            return await self._parse(token, is_fresh=False)
        except _TokenRejectedError:
            return None

    async def verify_fresh(self, token: str) -> SupabaseUser:
        """Return the user of a token that Supabase has just issued to the relay.

        Raises SupabaseMisconfigured if it is invalid, because then the project doesn't fit our settings, and
        SupabaseUnavailable if the signing key can't be fetched.
        """
        try:
            return await self._parse(token, is_fresh=True)
        except _TokenRejectedError as rejection:
            raise SupabaseMisconfigured("verify a token", str(rejection)) from None

    async def _parse(self, token: str, *, is_fresh: bool) -> SupabaseUser:
        try:
            return _parse_user(await self._decode(token, is_fresh=is_fresh))
        except (jwt.PyJWTError, ValueError, TypeError) as error:
            # ValueError and TypeError: header and claims may have values of unexpected types.
            raise _TokenRejectedError(self._describe(error)) from None

    async def _decode(self, token: str, *, is_fresh: bool) -> dict[str, Any]:
        if len(token) > MAX_TOKEN_LENGTH:
            raise _TokenRejectedError("the access token is too long: remove large custom claims")
        header = jwt.get_unverified_header(token)
        kid, algorithm = header.get("kid"), header.get("alg")
        # Never let the token choose the algorithm: anybody can forge `none`, or HS256 with the public key.
        if algorithm != ALGORITHM:
            named = algorithm if algorithm in _KNOWN_ALGORITHMS else "another algorithm"
            raise _TokenRejectedError(
                f"the project signs with {named} instead of ES256: under JWT keys, rotate to a key of type ECC (P-256)"
            )
        key = await self._keys.find(kid, is_fresh=is_fresh) if isinstance(kid, str) else None
        if key is None:
            raise _TokenRejectedError(
                "the key that signed the access token isn't published: check SUPABASE_URL, and the project's JWT keys"
            )
        claims: dict[str, Any] = jwt.decode(
            token,
            key,
            algorithms=[ALGORITHM],
            audience=AUDIENCE,
            issuer=self._issuer,
            leeway=LEEWAY_SECONDS,
            options={"require": _REQUIRED_CLAIMS},
        )
        return claims

    def _describe(self, error: Exception) -> str:
        if isinstance(error, jwt.MissingRequiredClaimError) and error.claim == "iss":
            return f"the access token has no issuer: set GOTRUE_JWT_ISSUER of Supabase Auth to {self._issuer}"
        if isinstance(error, jwt.InvalidIssuerError):
            return f"the access token has another issuer than SUPABASE_URL: it must be {self._issuer}"
        if isinstance(error, jwt.ImmatureSignatureError | jwt.ExpiredSignatureError):
            return "the access token isn't valid at this time: check the clocks of the relay and of Supabase"
        return f"the access token isn't one of a signed-in user ({type(error).__name__})"


def _parse_user(claims: dict[str, Any]) -> SupabaseUser:
    if claims.get("role") != AUDIENCE or claims.get("is_anonymous", False) is not False:
        raise ValueError("not a signed-in user")
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
