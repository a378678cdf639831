"""Users and their keys in the database."""

from uuid import UUID

import psycopg

from relay.identity.credentials import key_hash, key_prefix

type Owner = psycopg.Connection[tuple[object, ...]]


def add_user(connection: Owner, *, email: str, name: str) -> UUID:
    """A new account holder with an empty feed."""
    row = connection.execute(
        """
        with made as (insert into users (email, name) values (%s, %s) returning id),
             feed as (insert into feeds (user_id) select id from made)
        select id from made
        """,
        [email, name],
    ).fetchone()
    assert row is not None  # noqa: S101 - an insert without a conflict clause returns its row
    return UUID(str(row[0]))


def find_users(connection: Owner, email_or_id: str) -> list[UUID]:
    """Open accounts with this id or e-mail address. Several may share an address: it is no identity."""
    rows = connection.execute(
        "select id from users where closed_at is null and (id::text = %(it)s or lower(email) = lower(%(it)s))",
        {"it": email_or_id},
    ).fetchall()
    return [UUID(str(row[0])) for row in rows]


def add_key(connection: Owner, user_id: UUID, key: str, *, name: str, scopes: list[str]) -> None:
    """Let this key act for the user."""
    connection.execute(
        "insert into api_keys (user_id, name, key_hash, prefix, scopes) values (%s, %s, %s, %s, %s)",
        [user_id, name, key_hash(key), key_prefix(key), scopes],
    )
