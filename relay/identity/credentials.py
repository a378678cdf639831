"""What opens a door: keys, tokens, links. What is stored is their SHA-256; the thing itself is seen once."""

import hashlib
import re
import secrets
from dataclasses import dataclass, field
from typing import Literal
from uuid import UUID

API_KEY_PREFIX = "evc_"
VISIBLE_LENGTH = 8
SCOPES = ("read", "control")
"""What a credential may let do: see cars, and command them."""

# Ours, and those of the classic service (64 hexadecimal digits).
_API_KEY = re.compile(r"evc_[A-Za-z0-9_-]{43}|[0-9a-fA-F]{64}", re.ASCII)
_ACCESS_TOKEN = re.compile(r"eva_[A-Za-z0-9_-]{43}", re.ASCII)
# Three parts of base64url. Whether it says the truth is found out where Supabase's keys are known.
_JWT = re.compile(r"[A-Za-z0-9_-]{2,4096}\.[A-Za-z0-9_-]{2,16384}\.[A-Za-z0-9_-]{0,4096}", re.ASCII)

type CredentialKind = Literal["key", "access", "person"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Credential:
    """What a request brings, as the database looks for it: the hash of a key or access token, a person at Supabase."""

    kind: CredentialKind
    lookup: bytes | UUID = field(repr=False)


def generate_secret(prefix: str) -> str:
    """A fresh secret with 256 random bits behind a prefix that says what it is for."""
    return prefix + secrets.token_urlsafe(32)


def generate_api_key() -> str:
    """A fresh API key."""
    return generate_secret(API_KEY_PREFIX)


def hash_secret(secret: str) -> bytes:
    """What the database knows of a secret. Unsalted: secrets are random, and the hash is what they are looked up by."""
    return hashlib.sha256(secret.encode(errors="surrogatepass")).digest()


def get_key_prefix(key: str) -> str:
    """The part by which a person recognises a key in a list; says nothing about the rest."""
    return key[: len(API_KEY_PREFIX) + VISIBLE_LENGTH]


def parse_bearer_credential(header: str | None) -> Credential | None:
    """The key or access token in an Authorization header, or None when there is none of a known form."""
    token = parse_bearer_token(header)
    if _API_KEY.fullmatch(token):
        return Credential(kind="key", lookup=hash_secret(token))
    if _ACCESS_TOKEN.fullmatch(token):
        return Credential(kind="access", lookup=hash_secret(token))
    return None


def parse_bearer_jwt(header: str | None) -> str | None:
    """The JSON web token in an Authorization header, unverified; None when there is none."""
    token = parse_bearer_token(header)
    return token if _JWT.fullmatch(token) else None


def parse_bearer_token(header: str | None) -> str:
    """What follows `Bearer`; empty when nothing does."""
    scheme, _, token = (header or "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""
