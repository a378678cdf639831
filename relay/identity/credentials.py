"""Keys that people give to Home Assistant and scripts. What is stored is their SHA-256; the key is seen once."""

import hashlib
import re
import secrets

PREFIX = "evc_"
SHOWN = 8

# Ours, and those of the classic service (64 hexadecimal digits). Anything else is no key and never asked for.
_KEY = re.compile(r"evc_[A-Za-z0-9_-]{43}|[0-9a-fA-F]{64}", re.ASCII)


def new_key() -> str:
    """A fresh key with 256 random bits."""
    return PREFIX + secrets.token_urlsafe(32)


def key_hash(key: str) -> bytes:
    """What the database knows of a key. Unsalted: keys are random, and the hash is what they are looked up by."""
    return hashlib.sha256(key.encode()).digest()


def key_prefix(key: str) -> str:
    """The part by which a person recognises a key in a list; says nothing about the rest."""
    return key[: len(PREFIX) + SHOWN]


def read_bearer(header: str | None) -> str | None:
    """The key in an Authorization header, or None when there is none of a known form."""
    scheme, _, token = (header or "").partition(" ")
    token = token.strip()
    if scheme.lower() == "bearer" and _KEY.fullmatch(token):
        return token
    return None
