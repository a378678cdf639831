"""Accounts in the database: those that the operator creates, and those of users who sign in with Supabase."""

import re
from dataclasses import dataclass
from typing import LiteralString
from uuid import UUID

from psycopg.rows import class_row, scalar_row

from relay.kit.database import Connection, fetch_all, fetch_one
from relay.plans import OPERATOR_PLAN, SIGN_UP_PLAN, PlanName

# If a new user signs in from several browsers at once, one of them creates the account and the others find it.
_LOCK_SUPABASE_ID: LiteralString = "select pg_advisory_xact_lock(hashtextextended('evconduit person ' || %s::text, 0))"
# Account deletion removes the row in `users` before the user at Supabase. In between, the tombstone in `deleted_users`
# has the id.
_FIND_BY_SUPABASE_ID: LiteralString = """
select id, closed_at is not null as is_closed from users where supabase_id = %(supabase_id)s
union all
select id, true from deleted_users where supabase_id = %(supabase_id)s and deleted_at is null
limit 1
"""
_INSERT: LiteralString = """
with inserted as (insert into users (email, name, language, plan) values (%s, %s, %s, %s) returning id),
     feed as (insert into feeds (user_id) select id from inserted)
select id from inserted
"""
_INSERT_FROM_SUPABASE: LiteralString = """
with inserted as (
    insert into users (supabase_id, email, name, language, invitation_id, plan, approved_at, accepted_terms_at)
    values (%(supabase_id)s, %(email)s, %(name)s, %(language)s, %(invitation_id)s, %(plan)s,
            case when %(approved)s then now() end, case when %(accepts_terms)s then now() end)
    returning id),
feed as (insert into feeds (user_id) select id from inserted)
select id from inserted
"""
_FIND_OPEN: LiteralString = """
select id from users
where closed_at is null and (id::text = %(email_or_id)s or lower(email) = lower(%(email_or_id)s))
"""
_UPDATE_EMAIL: LiteralString = (
    "update users set email = %(email)s where id = %(id)s and email is distinct from %(email)s"
)
_ACCEPT_TERMS: LiteralString = "update users set accepted_terms_at = now() where id = %s and accepted_terms_at is null"

MAX_EMAIL_LENGTH = 254
# The form that HTML gives to email addresses, which is what Supabase Auth accepts (observed with v2.196): ASCII,
# nothing quoted, and a domain of labels with at most 63 characters. Here the domain needs a dot, and the name has at
# most 64 characters (RFC 5321, section 4.5.3.1.1).
_DOMAIN_LABEL = r"[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?"
_EMAIL_ADDRESS = re.compile(
    rf"[a-zA-Z0-9.!#$%&'*+/=?^_`{{|}}~-]{{1,64}}@{_DOMAIN_LABEL}(?:\.{_DOMAIN_LABEL})+", re.ASCII
)


def is_email_address(text: str) -> bool:
    """Return whether `text` has a form of email addresses that Supabase accepts. Only an email shows if it exists."""
    return len(text) <= MAX_EMAIL_LENGTH and _EMAIL_ADDRESS.fullmatch(text) is not None


@dataclass(frozen=True, kw_only=True, slots=True)
class ExistingUser:
    """The account of a Supabase user. If it is closed, it is being deleted."""

    id: UUID
    is_closed: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class NewUser:
    """The initial data of an account."""

    supabase_id: UUID
    email: str | None
    name: str
    language: str
    invitation_id: UUID | None
    is_approved: bool
    accepts_terms: bool


async def create_user(
    connection: Connection, *, email: str, name: str, language: str = "en-US", plan: PlanName = OPERATOR_PLAN
) -> UUID:
    """Create a user without a Supabase identity, with an empty feed, and return their id."""
    user_id: UUID | None = await fetch_one(connection, _INSERT, [email, name, language, plan], scalar_row)
    assert user_id is not None  # noqa: S101 - an insert without a conflict clause returns its row
    return user_id


async def find_open_users(connection: Connection, email_or_id: str) -> list[UUID]:
    """Find the open accounts with this id or email address. Several accounts may share an email address."""
    return await fetch_all(connection, _FIND_OPEN, {"email_or_id": email_or_id}, scalar_row)


async def find_user_by_supabase_id(connection: Connection, supabase_id: UUID) -> ExistingUser | None:
    """Find the account of a Supabase user. Call in a transaction, which keeps others from creating the account."""
    await connection.execute(_LOCK_SUPABASE_ID, [str(supabase_id)])
    return await fetch_one(connection, _FIND_BY_SUPABASE_ID, {"supabase_id": supabase_id}, class_row(ExistingUser))


async def create_user_from_supabase(connection: Connection, new_user: NewUser) -> UUID:
    """Create a user with an empty feed and return their id."""
    parameters = {
        "supabase_id": new_user.supabase_id,
        "email": new_user.email,
        "name": new_user.name,
        "language": new_user.language,
        "invitation_id": new_user.invitation_id,
        "plan": SIGN_UP_PLAN,
        "approved": new_user.is_approved,
        "accepts_terms": new_user.accepts_terms,
    }
    user_id: UUID | None = await fetch_one(connection, _INSERT_FROM_SUPABASE, parameters, scalar_row)
    assert user_id is not None  # noqa: S101 - an insert without a conflict clause returns its row
    return user_id


async def update_email(connection: Connection, user_id: UUID, email: str) -> None:
    """Update the user's email address."""
    await connection.execute(_UPDATE_EMAIL, {"id": user_id, "email": email})


async def accept_terms(connection: Connection, user_id: UUID) -> None:
    """Record when the user accepted the terms, unless that is recorded already."""
    await connection.execute(_ACCEPT_TERMS, [user_id])
