"""Steps that delete an account, in order. Each may run again after it was done or interrupted."""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import LiteralString
from uuid import UUID

from psycopg.rows import scalar_row

from relay.gateways.enode import EnodeNotFound
from relay.kit.database import Connection, fetch_one
from relay.streams.hub import CloseStreams
from relay.usecases.calls.runtime import Runtime

log = logging.getLogger(__name__)

STATEMENT_TIMEOUT = timedelta(minutes=9)
"""Time limit of each statement that deletes rows: the inbox is scanned completely."""

# Running it again changes nothing.
CLOSE_ACCOUNT: LiteralString = """
with closed as (
    update users set closed_at = coalesce(closed_at, now()) where id = %(user_id)s returning id, supabase_id
),
tombstone as (
    insert into deleted_users (id, supabase_id) select id, supabase_id from closed on conflict (id) do nothing
    returning id
),
keys as (update api_keys set revoked_at = now() where user_id = %(user_id)s and revoked_at is null),
grants as (update oauth_grants set revoked_at = now() where user_id = %(user_id)s and revoked_at is null),
codes as (delete from oauth_codes where user_id = %(user_id)s),
sessions as (delete from web_sessions where user_id = %(user_id)s),
links as (delete from sign_in_links where user_id = %(user_id)s)
select exists (select from tombstone) from closed
"""
"""One row with whether the deletion is new; no row if there is no such user."""

_HAS_LINKED_VEHICLES: LiteralString = """
select exists (select from vehicles v join vehicle_links l on l.vehicle_id = v.id where v.user_id = %s)
"""
# A running drain of the inbox holds this lock first. The same order here avoids a deadlock with it.
_LOCK_FEED: LiteralString = "select from feeds where user_id = %(user_id)s for update"
# Inbox rows name users and vehicles only as events do, and a body that could not be parsed may name them too.
_DELETE_INBOX_EVENTS: LiteralString = """
with linked as materialized (
    select l.enode_vehicle_id from vehicles v join vehicle_links l on l.vehicle_id = v.id where v.user_id = %(user_id)s
)
delete from webhook_logs w
where w.user_id = %(user_id)s or w.enode_vehicle_id in (select enode_vehicle_id from linked)
   or w.raw is not null and (
       position(convert_to(%(user_id)s::text, 'UTF8') in w.raw) > 0
       or exists (select from linked l where position(convert_to(l.enode_vehicle_id, 'UTF8') in w.raw) > 0))
"""
# Arguments of jobs hold ids. The job that runs this step is 'doing'; it is deleted when it succeeds.
_DELETE_JOBS: LiteralString = """
with ids as materialized (
    select %(user_id)s::text as id
    union all select id::text from vehicles where user_id = %(user_id)s
    union all select id::text from commands where user_id = %(user_id)s
)
delete from procrastinate_jobs j
where j.status <> 'doing' and exists (select from ids where strpos(j.args::text, ids.id) > 0)
"""
# All other tables of the user cascade from this row.
_DELETE_USER: LiteralString = "delete from users where id = %(user_id)s"


@dataclass(frozen=True, kw_only=True, slots=True)
class Deletion:
    """A deletion in progress. `done` names the finished steps."""

    user_id: UUID
    supabase_id: UUID | None
    done: list[str]
    attempts: int


class StepBlockedError(Exception):
    """A step lacks a service that it needs. The message names it and is safe to store."""


@dataclass(frozen=True, kw_only=True, slots=True)
class DeletionStep:
    """One step. `run` must be idempotent, also after an interruption halfway."""

    name: str
    run: Callable[[Runtime, Deletion], Awaitable[None]]


async def close_account(connection: Connection, user_id: UUID, close_streams: CloseStreams) -> None:
    """Revoke all access to the account and mark it for deletion, which a worker starts within a minute.

    Call it outside of a transaction, so that this is committed before the streams are closed.
    """
    await connection.execute(CLOSE_ACCOUNT, {"user_id": user_id})
    close_streams(user_id)


async def _close_account(runtime: Runtime, deletion: Deletion) -> None:
    async with runtime.pool.connection() as connection:
        await close_account(connection, deletion.user_id, runtime.hub.close_user_streams)


async def _delete_enode_user(runtime: Runtime, deletion: Deletion) -> None:
    """Delete the user at Enode, with their vehicles and vendor tokens."""
    if runtime.enode is None:
        async with runtime.pool.connection() as connection:
            has_vehicles = await fetch_one(connection, _HAS_LINKED_VEHICLES, [deletion.user_id], scalar_row)
        if has_vehicles:
            raise StepBlockedError("this relay has no access to Enode, where vehicles are linked")
        return
    try:
        await runtime.enode.users.delete(str(deletion.user_id))
    except EnodeNotFound:
        log.info("enode user already deleted")


async def _delete_rows(runtime: Runtime, deletion: Deletion) -> None:
    """Delete all rows of the user in one transaction. Only the tombstone stays."""
    parameters = {"user_id": deletion.user_id}
    timeout_ms = str(int(STATEMENT_TIMEOUT.total_seconds() * 1000))
    async with runtime.pool.connection() as connection, connection.transaction():
        await connection.execute("select set_config('statement_timeout', %s, true)", [timeout_ms])
        for statement in (_LOCK_FEED, _DELETE_INBOX_EVENTS, _DELETE_JOBS, _DELETE_USER):
            await connection.execute(statement, parameters)


async def _delete_supabase_user(runtime: Runtime, deletion: Deletion) -> None:
    """Delete the user at Supabase. Runs last: until then the user can still sign in there and see the deletion."""
    if deletion.supabase_id is None:
        return
    if runtime.delete_supabase_user is None:
        raise StepBlockedError("this relay has no access to the users of Supabase")
    await runtime.delete_supabase_user(deletion.supabase_id)


# A step that cancels a subscription belongs between "closed" and "enode", one that leaves a mailing list after "enode".
STEPS: tuple[DeletionStep, ...] = (
    DeletionStep(name="closed", run=_close_account),
    DeletionStep(name="enode", run=_delete_enode_user),
    DeletionStep(name="rows", run=_delete_rows),
    DeletionStep(name="supabase", run=_delete_supabase_user),
)
