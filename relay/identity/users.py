"""Accounts of people whom Supabase knows, and the operator's say in them."""

import re
from dataclasses import dataclass
from typing import LiteralString
from uuid import UUID

from psycopg.rows import class_row

from relay.kit.database import Connection, SyncConnection, fetch_one
from relay.plans import SIGN_UP_PLAN

# Several browsers of one new person may arrive at once: one of them makes the account, the others find it.
_LOCK_SUPABASE_ID: LiteralString = "select pg_advisory_xact_lock(hashtextextended('evconduit person ' || %s::text, 0))"
# The user's own row goes before Supabase has forgotten the person; until then the tombstone knows who it is.
_FIND: LiteralString = """
select id, closed_at is not null as is_closed from users where supabase_id = %(supabase_id)s
union all
select id, true from deleted_users where supabase_id = %(supabase_id)s and deleted_at is null
limit 1
"""
_INSERT: LiteralString = """
with made as (
    insert into users (supabase_id, email, name, language, invitation_id, plan, approved_at, accepted_terms_at)
    values (%(supabase_id)s, %(email)s, %(name)s, %(language)s, %(invitation_id)s, %(plan)s,
            case when %(approved)s then now() end, case when %(accepts_terms)s then now() end)
    returning id),
feed as (insert into feeds (user_id) select id from made)
select id from made
"""
_UPDATE_EMAIL: LiteralString = (
    "update users set email = %(email)s where id = %(id)s and email is distinct from %(email)s"
)
_ACCEPT_TERMS: LiteralString = "update users set accepted_terms_at = now() where id = %s and accepted_terms_at is null"
_APPROVE: LiteralString = "update users set approved_at = now() where id = %s and approved_at is null"
_SET_PLAN: LiteralString = "update users set plan = %s where id = %s"
_SET_ROLE: LiteralString = "update users set role = %s where id = %s"


MAX_EMAIL_LENGTH = 254
_EMAIL_ADDRESS = re.compile(r"[^@\s]{1,64}@[^@\s]+\.[^@\s.]+")


def is_email_address(text: str) -> bool:
    """Whether mail could be sent there; whether any arrives is found out by sending some."""
    return len(text) <= MAX_EMAIL_LENGTH and text.isprintable() and _EMAIL_ADDRESS.fullmatch(text) is not None


@dataclass(frozen=True, kw_only=True, slots=True)
class ExistingUser:
    """An account that belongs to a person of Supabase's. A closed one is on its way out."""

    id: UUID
    is_closed: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class NewUser:
    """What an account begins with."""

    supabase_id: UUID
    email: str | None
    name: str
    language: str
    invitation_id: UUID | None
    is_approved: bool
    accepts_terms: bool


async def find_user_by_supabase_id(connection: Connection, supabase_id: UUID) -> ExistingUser | None:
    """The account of this person. To be called in a transaction: until its end nobody else makes one."""
    await connection.execute(_LOCK_SUPABASE_ID, [str(supabase_id)])
    return await fetch_one(connection, _FIND, {"supabase_id": supabase_id}, class_row(ExistingUser))


async def create_user_from_supabase(connection: Connection, new_user: NewUser) -> UUID:
    """A new account holder with an empty feed."""
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
    row = await (await connection.execute(_INSERT, parameters)).fetchone()
    assert row is not None  # noqa: S101 - an insert without a conflict clause returns its row
    return UUID(str(row[0]))


async def update_email(connection: Connection, user_id: UUID, email: str) -> None:
    """This is where the person gets mail now."""
    await connection.execute(_UPDATE_EMAIL, {"id": user_id, "email": email})


async def accept_terms(connection: Connection, user_id: UUID) -> None:
    """The person agrees to the terms. The first time counts."""
    await connection.execute(_ACCEPT_TERMS, [user_id])


def approve_user(connection: SyncConnection, user_id: UUID) -> bool:
    """Let this person in; whether that was still to be done."""
    return connection.execute(_APPROVE, [user_id]).rowcount == 1


def set_plan(connection: SyncConnection, user_id: UUID, plan: str) -> None:
    """What the account may use from the next call on; what was used this month stays used."""
    connection.execute(_SET_PLAN, [plan, user_id])


def set_role(connection: SyncConnection, user_id: UUID, role: str) -> None:
    """Make this person an admin, or a user again. Counts from the next page on."""
    connection.execute(_SET_ROLE, [role, user_id])
