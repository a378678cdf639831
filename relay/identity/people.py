"""Accounts of people whom Supabase knows, and the operator's say in them."""

import re
from dataclasses import dataclass
from typing import LiteralString
from uuid import UUID

from psycopg.rows import class_row

from relay.kit.database import Connection, SyncConnection

# Several browsers of one new person may arrive at once: one of them makes the account, the others find it.
_ONE_AT_A_TIME: LiteralString = "select pg_advisory_xact_lock(hashtextextended('evconduit person ' || %s::text, 0))"
# The user's own row goes before Supabase has forgotten the person; until then the tombstone knows who it is.
_FIND: LiteralString = """
select id, closed_at is not null as is_closed from users where supabase_id = %(supabase_id)s
union all
select id, true from deleted_users where supabase_id = %(supabase_id)s and deleted_at is null
limit 1
"""
# Who comes by themselves begins with the free plan; the column's default is for accounts that the operator makes.
_ADD: LiteralString = """
with made as (
    insert into users (supabase_id, email, name, language, invitation_id, plan, approved_at, accepted_terms_at)
    values (%(supabase_id)s, %(email)s, %(name)s, %(language)s, %(invitation_id)s, 'free',
            case when %(approved)s then now() end, case when %(accepts_terms)s then now() end)
    returning id),
feed as (insert into feeds (user_id) select id from made)
select id from made
"""
_MOVED: LiteralString = "update users set email = %(email)s where id = %(id)s and email is distinct from %(email)s"
_ACCEPTED: LiteralString = "update users set accepted_terms_at = now() where id = %s and accepted_terms_at is null"
_APPROVED: LiteralString = "update users set approved_at = now() where id = %s and approved_at is null"
_PLAN: LiteralString = "update users set plan = %s where id = %s"
_ROLE: LiteralString = "update users set role = %s where id = %s"


LONGEST_ADDRESS = 254
_ADDRESS = re.compile(r"[^@\s]{1,64}@[^@\s]+\.[^@\s.]+")


def is_address(text: str) -> bool:
    """Whether mail could be sent there; whether any arrives is found out by sending some."""
    return len(text) <= LONGEST_ADDRESS and text.isprintable() and _ADDRESS.fullmatch(text) is not None


@dataclass(frozen=True, kw_only=True, slots=True)
class Known:
    """An account that belongs to a person of Supabase's. A closed one is on its way out."""

    id: UUID
    is_closed: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class NewPerson:
    """What an account begins with."""

    supabase_id: UUID
    email: str | None
    name: str
    language: str
    invitation_id: UUID | None
    approved: bool
    accepts_terms: bool


async def find_person(connection: Connection, supabase_id: UUID) -> Known | None:
    """The account of this person. To be called in a transaction: until its end nobody else makes one."""
    await connection.execute(_ONE_AT_A_TIME, [str(supabase_id)])
    async with connection.cursor(row_factory=class_row(Known)) as cursor:
        await cursor.execute(_FIND, {"supabase_id": supabase_id})
        return await cursor.fetchone()


async def add_person(connection: Connection, person: NewPerson) -> UUID:
    """A new account holder with an empty feed."""
    about = {
        "supabase_id": person.supabase_id,
        "email": person.email,
        "name": person.name,
        "language": person.language,
        "invitation_id": person.invitation_id,
        "approved": person.approved,
        "accepts_terms": person.accepts_terms,
    }
    row = await (await connection.execute(_ADD, about)).fetchone()
    assert row is not None  # noqa: S101 - an insert without a conflict clause returns its row
    return UUID(str(row[0]))


async def note_address(connection: Connection, user_id: UUID, email: str) -> None:
    """This is where the person gets mail now."""
    await connection.execute(_MOVED, {"id": user_id, "email": email})


async def accept_terms(connection: Connection, user_id: UUID) -> None:
    """The person agrees to the terms. The first time counts."""
    await connection.execute(_ACCEPTED, [user_id])


def approve_user(connection: SyncConnection, user_id: UUID) -> bool:
    """Let this person in; whether that was still to be done."""
    return connection.execute(_APPROVED, [user_id]).rowcount == 1


def set_plan(connection: SyncConnection, user_id: UUID, plan: str) -> None:
    """What the account may use from the next call on; what was used this month stays used."""
    connection.execute(_PLAN, [plan, user_id])


def set_role(connection: SyncConnection, user_id: UUID, role: str) -> None:
    """Make this person an admin, or a user again. Counts from the next page on."""
    connection.execute(_ROLE, [role, user_id])
