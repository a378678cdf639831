"""What opens a door: keys, tokens, links. What is stored is their SHA-256; the thing itself is seen once."""

import hashlib
import re
import secrets
from dataclasses import dataclass, field
from typing import Literal
from uuid import UUID

PREFIX = "evc_"
SHOWN = 8
SCOPES = ("read", "control")
"""What a credential may let do: see cars, and command them."""

# Ours, and those of the classic service (64 hexadecimal digits).
_KEY = re.compile(r"evc_[A-Za-z0-9_-]{43}|[0-9a-fA-F]{64}", re.ASCII)
_ACCESS = re.compile(r"eva_[A-Za-z0-9_-]{43}", re.ASCII)
# Three parts of base64url. Whether it says the truth is found out where Supabase's keys are known.
_JWT = re.compile(r"[A-Za-z0-9_-]{2,4096}\.[A-Za-z0-9_-]{2,16384}\.[A-Za-z0-9_-]{0,4096}", re.ASCII)

type Kind = Literal["key", "access", "person"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Credential:
    """What a request brings, as the database looks for it: the hash of a key or access token, a person at Supabase."""

    kind: Kind
    lookup: bytes | UUID = field(repr=False)


def new_secret(prefix: str) -> str:
    """A fresh secret with 256 random bits behind a prefix that says what it is for."""
    return prefix + secrets.token_urlsafe(32)


def new_key() -> str:
    """A fresh API key."""
    return new_secret(PREFIX)


def key_hash(secret: str) -> bytes:
    """What the database knows of a secret. Unsalted: secrets are random, and the hash is what they are looked up by."""
    return hashlib.sha256(secret.encode(errors="surrogatepass")).digest()


def key_prefix(key: str) -> str:
    """The part by which a person recognises a key in a list; says nothing about the rest."""
    return key[: len(PREFIX) + SHOWN]


def read_bearer(header: str | None) -> Credential | None:
    """The key or access token in an Authorization header, or None when there is none of a known form."""
    token = bearer_token(header)
    if _KEY.fullmatch(token):
        return Credential(kind="key", lookup=key_hash(token))
    if _ACCESS.fullmatch(token):
        return Credential(kind="access", lookup=key_hash(token))
    return None


def read_jwt(header: str | None) -> str | None:
    """The JSON web token in an Authorization header, unverified; None when there is none."""
    token = bearer_token(header)
    return token if _JWT.fullmatch(token) else None


def bearer_token(header: str | None) -> str:
    """What follows `Bearer`; empty when nothing does."""
    scheme, _, token = (header or "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""
