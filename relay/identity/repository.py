"""Users and their keys in the database."""

from dataclasses import dataclass
from datetime import datetime
from typing import LiteralString
from uuid import UUID

from psycopg.rows import class_row

from relay.identity.credentials import get_key_prefix, hash_secret
from relay.kit.database import SyncConnection
from relay.plans import OPERATOR_PLAN

INSERT_API_KEY: LiteralString = (
    "insert into api_keys (user_id, name, key_hash, prefix, scopes) values (%s, %s, %s, %s, %s)"
)


def create_user(connection: SyncConnection, *, email: str, name: str, language: str = "en-US") -> UUID:
    """A new account holder with an empty feed."""
    row = connection.execute(
        """
        with made as (insert into users (email, name, language, plan) values (%s, %s, %s, %s) returning id),
             feed as (insert into feeds (user_id) select id from made)
        select id from made
        """,
        [email, name, language, OPERATOR_PLAN],
    ).fetchone()
    assert row is not None  # noqa: S101 - an insert without a conflict clause returns its row
    return UUID(str(row[0]))


def find_users(connection: SyncConnection, email_or_id: str) -> list[UUID]:
    """Open accounts with this id or e-mail address. Several may share an address: it is no identity."""
    rows = connection.execute(
        "select id from users where closed_at is null and (id::text = %(it)s or lower(email) = lower(%(it)s))",
        {"it": email_or_id},
    ).fetchall()
    return [UUID(str(row[0])) for row in rows]


def set_user_disabled(connection: SyncConnection, user_id: UUID, *, disabled: bool) -> None:
    """Switch an account off or on. Calls are refused at once, open streams at their next check."""
    connection.execute("update users set disabled_at = case when %s then now() end where id = %s", [disabled, user_id])


@dataclass(frozen=True, kw_only=True, slots=True)
class ApiKeySummary:
    """A key as its owner may see it again: everything but the key."""

    id: UUID
    prefix: str
    name: str
    scopes: list[str]
    created_at: datetime
    last_used_at: datetime | None
    revoked_at: datetime | None


def list_api_keys(connection: SyncConnection, user_id: UUID) -> list[ApiKeySummary]:
    """The user's keys, oldest first, revoked ones too."""
    with connection.cursor(row_factory=class_row(ApiKeySummary)) as cursor:
        cursor.execute(
            """
            select id, prefix, name, scopes, created_at, last_used_at, revoked_at from api_keys
            where user_id = %s order by created_at, id
            """,
            [user_id],
        )
        return cursor.fetchall()


def revoke_api_key(connection: SyncConnection, key_id: UUID) -> None:
    """End a key. Calls are refused at once, open streams at their next check, within 25 seconds."""
    connection.execute("update api_keys set revoked_at = now() where id = %s and revoked_at is null", [key_id])


def create_api_key(connection: SyncConnection, user_id: UUID, key: str, *, name: str, scopes: list[str]) -> None:
    """Let this key act for the user."""
    connection.execute(INSERT_API_KEY, build_api_key_row(user_id, key, name=name, scopes=scopes))


def build_api_key_row(user_id: UUID, key: str, *, name: str, scopes: list[str]) -> list[object]:
    """What ADD_KEY stores of a key: everything but the key."""
    return [user_id, name, hash_secret(key), get_key_prefix(key), scopes]
