"""Users and their keys in the database."""

from typing import LiteralString
from uuid import UUID

from relay.identity.credentials import get_key_prefix, hash_secret
from relay.kit.database import Connection
from relay.plans import OPERATOR_PLAN, PlanName

INSERT_API_KEY: LiteralString = (
    "insert into api_keys (user_id, name, key_hash, prefix, scopes) values (%s, %s, %s, %s, %s)"
)
_INSERT_USER: LiteralString = """
with made as (insert into users (email, name, language, plan) values (%s, %s, %s, %s) returning id),
     feed as (insert into feeds (user_id) select id from made)
select id from made
"""


async def create_user(
    connection: Connection, *, email: str, name: str, language: str = "en-US", plan: PlanName = OPERATOR_PLAN
) -> UUID:
    """Create an account holder with an empty feed."""
    row = await (await connection.execute(_INSERT_USER, [email, name, language, plan])).fetchone()
    assert row is not None  # noqa: S101 - an insert without a conflict clause returns its row
    return UUID(str(row[0]))


def build_api_key_row(user_id: UUID, key: str, *, name: str, scopes: list[str]) -> list[object]:
    """Parameters of INSERT_API_KEY: everything about the key but the key itself."""
    return [user_id, name, hash_secret(key), get_key_prefix(key), scopes]
