"""API keys in the database, which stores only the SHA-256 of each key."""

from typing import LiteralString
from uuid import UUID

from relay.identity.credentials import get_key_prefix, hash_secret

INSERT_API_KEY: LiteralString = (
    "insert into api_keys (user_id, name, key_hash, prefix, scopes) values (%s, %s, %s, %s, %s)"
)


def build_api_key_row(user_id: UUID, key: str, *, name: str, scopes: list[str]) -> list[object]:
    """Build the parameters of INSERT_API_KEY: everything about the key but the key itself."""
    return [user_id, name, hash_secret(key), get_key_prefix(key), scopes]
