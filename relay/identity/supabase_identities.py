"""What Supabase says about the identities of accounts: bans, deletions, and new identities of former users."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, LiteralString
from uuid import UUID

from psycopg.rows import class_row, scalar_row

from relay.kit.database import Connection, fetch_all, fetch_one

# Accounts that can be used somewhere, and those whose state at Supabase may have ended.
_LIST_LINKED: LiteralString = """
select u.id as user_id, u.supabase_id, coalesce(u.supabase_state, 'active') as state from users u
where u.supabase_id is not null and u.closed_at is null
  and (u.supabase_state is not null
       or exists (select from web_sessions s where s.user_id = u.id and s.expires_at > now())
       or exists (select from credentials c where c.user_id = u.id and c.revoked_at is null))
order by u.id
"""
# An account that the operator disabled stays disabled when a ban ends.
_SET_BLOCKED: LiteralString = """
with blocked as (
    update users set supabase_state = %(state)s, disabled_by_supabase = disabled_by_supabase or disabled_at is null,
        disabled_at = coalesce(disabled_at, now())
    where supabase_id = %(supabase_id)s and closed_at is null and supabase_state is distinct from %(state)s
    returning id
),
sessions as (delete from web_sessions where user_id in (select id from blocked))
select id from blocked
"""
_SET_ACTIVE: LiteralString = """
update users set supabase_state = null, disabled_by_supabase = false,
    disabled_at = case when disabled_by_supabase then null else disabled_at end
where supabase_id = %(supabase_id)s and supabase_state is not null
returning id
"""
_LIST_SAME_ADDRESS: LiteralString = """
select id as user_id, supabase_id, coalesce(supabase_state, 'active') as state from users
where lower(email) = lower(%(email)s) and supabase_id is not null and supabase_id <> %(supabase_id)s
  and closed_at is null
order by created_at, id
"""
_HAS_ACCOUNT: LiteralString = "select exists (select from users where supabase_id = %(supabase_id)s)"
_SET_CLAIM: LiteralString = "update users set claim_supabase_id = %(supabase_id)s, claimed_at = now() where id = %(id)s"
_RECONNECT: LiteralString = """
update users set supabase_id = claim_supabase_id, claim_supabase_id = null, claimed_at = null, supabase_state = null,
    disabled_at = case when disabled_by_supabase then null else disabled_at end, disabled_by_supabase = false
where id = %s and claim_supabase_id is not null
returning true
"""
_SET_PROBLEM: LiteralString = """
insert into supabase_status (token_problem, token_problem_at) values (%s, now())
on conflict (only_row) do update set token_problem = excluded.token_problem, token_problem_at = now()
"""
_CLEAR_PROBLEM: LiteralString = """
update supabase_status set token_problem = null, token_problem_at = null where token_problem is not null
"""

_FIND_PROBLEM: LiteralString = """
select token_problem as cause, token_problem_at as at from supabase_status where token_problem is not null
"""
_LIST_CLAIMED: LiteralString = """
select id from users where claim_supabase_id is not null and closed_at is null order by claimed_at, id limit 20
"""

type StoredState = Literal["active", "banned", "deleted"]
"""The state of a user at Supabase, as the gateway names it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LinkedIdentity:
    """An account and its user at Supabase, with the state that the relay last stored."""

    user_id: UUID
    supabase_id: UUID
    state: StoredState


@dataclass(frozen=True, kw_only=True, slots=True)
class TokenProblem:
    """Why Supabase's last access token was refused."""

    cause: str
    at: datetime


async def list_linked_identities(connection: Connection) -> list[LinkedIdentity]:
    """List the accounts whose users the relay must compare with Supabase."""
    return await fetch_all(connection, _LIST_LINKED, [], class_row(LinkedIdentity))


async def set_identity_state(connection: Connection, supabase_id: UUID, state: StoredState) -> UUID | None:
    """Store a state and return the account's id; None if nothing changes.

    A ban or a deletion ends the account's web sessions and disables it, keys included. The end of a ban enables it.
    """
    statement = _SET_ACTIVE if state == "active" else _SET_BLOCKED
    parameters = {"supabase_id": supabase_id, "state": state}
    return await fetch_one(connection, statement, parameters, scalar_row)


async def has_account(connection: Connection, supabase_id: UUID) -> bool:
    """Return whether this user of Supabase has an account."""
    return bool(await fetch_one(connection, _HAS_ACCOUNT, {"supabase_id": supabase_id}, scalar_row))


async def list_accounts_with_address(connection: Connection, email: str, supabase_id: UUID) -> list[LinkedIdentity]:
    """List the accounts with this email address that belong to other users of Supabase, the oldest first."""
    parameters = {"email": email, "supabase_id": supabase_id}
    return await fetch_all(connection, _LIST_SAME_ADDRESS, parameters, class_row(LinkedIdentity))


async def store_claim(connection: Connection, user_id: UUID, supabase_id: UUID) -> None:
    """Store that this user of Supabase has an account's address, and that the account's own user was deleted."""
    await connection.execute(_SET_CLAIM, {"id": user_id, "supabase_id": supabase_id})


async def reconnect_account(connection: Connection, user_id: UUID) -> bool:
    """Give an account to the user of Supabase who claims it; False if nobody does."""
    return await fetch_one(connection, _RECONNECT, [user_id], scalar_row) is not None


async def set_token_problem(connection: Connection, problem: str | None) -> None:
    """Store why Supabase's last access token was refused, for `evconduit doctor`; None once one was accepted."""
    if problem is None:
        await connection.execute(_CLEAR_PROBLEM)
    else:
        await connection.execute(_SET_PROBLEM, [problem])


async def find_token_problem(connection: Connection) -> TokenProblem | None:
    """Return why Supabase's last access token was refused; None if it was accepted."""
    return await fetch_one(connection, _FIND_PROBLEM, [], class_row(TokenProblem))


async def list_claimed_accounts(connection: Connection) -> list[UUID]:
    """List the accounts that wait for the operator, at most 20."""
    return await fetch_all(connection, _LIST_CLAIMED, [], scalar_row)
