"""Generate, parse and hash secrets: API keys, access tokens, links.

The database stores only their SHA-256; users see the secret itself once.
"""

import hashlib
import re
import secrets
from dataclasses import dataclass, field
from typing import Literal
from uuid import UUID

API_KEY_PREFIX = "evc_"
API_KEY_PATTERN = API_KEY_PREFIX + r"[A-Za-z0-9_-]{43}"
ACCESS_TOKEN_PREFIX = "eva_"  # noqa: S105 - the start of every access token, not a secret
VISIBLE_LENGTH = 8
SCOPES = ("read", "control")
"""What a credential may permit: reading vehicles, and commanding them."""

# Our own format, and that of the classic service (64 hexadecimal digits).
_API_KEY = re.compile(API_KEY_PATTERN + r"|[0-9a-fA-F]{64}", re.ASCII)
_ACCESS_TOKEN = re.compile(ACCESS_TOKEN_PREFIX + r"[A-Za-z0-9_-]{43}", re.ASCII)
# Three parts of base64url. The gateway that has Supabase's signing keys verifies it.
_JWT = re.compile(r"[A-Za-z0-9_-]{2,4096}\.[A-Za-z0-9_-]{2,16384}\.[A-Za-z0-9_-]{0,4096}", re.ASCII)

type CredentialKind = Literal["key", "access", "person"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Credential:
    """A request's credential in the form for lookup: the hash of a key or access token, or a Supabase user id."""

    kind: CredentialKind
    lookup: bytes | UUID = field(repr=False)


def generate_secret(prefix: str) -> str:
    """Return a new secret: `prefix`, which shows its purpose, and 256 random bits."""
    return prefix + secrets.token_urlsafe(32)


def generate_api_key() -> str:
    """Return a new API key."""
    return generate_secret(API_KEY_PREFIX)


def hash_secret(secret: str) -> bytes:
    """Return the hash that the database stores. It is unsalted: secrets are random, and are looked up by their hash."""
    return hashlib.sha256(secret.encode(errors="surrogatepass")).digest()


def get_key_prefix(key: str) -> str:
    """Return the visible start of a key, by which its owner recognises it in a list."""
    return key[: len(API_KEY_PREFIX) + VISIBLE_LENGTH]


def parse_bearer_credential(header: str | None) -> Credential | None:
    """Parse the API key or access token in an Authorization header; None if there is none in a known format."""
    token = parse_bearer_token(header)
    if _API_KEY.fullmatch(token):
        return Credential(kind="key", lookup=hash_secret(token))
    if _ACCESS_TOKEN.fullmatch(token):
        return Credential(kind="access", lookup=hash_secret(token))
    return None


def parse_bearer_jwt(header: str | None) -> str | None:
    """Return the JSON Web Token in an Authorization header, unverified; None if there is none."""
    token = parse_bearer_token(header)
    return token if _JWT.fullmatch(token) else None


def parse_bearer_token(header: str | None) -> str:
    """Return the token of a Bearer Authorization header; empty if there is none."""
    scheme, _, token = (header or "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""
