"""An account ends: step by step, each of which may be done twice, so that whatever is interrupted is finished later.

A row of `deleted_users` remembers how far it got. A job begins at once; the leader finishes what was left behind.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Literal, LiteralString, TypedDict
from uuid import UUID

import psycopg
from fastapi import APIRouter
from psycopg.rows import class_row
from pydantic import BaseModel, Field

from relay.gateways.enode import EnodeNotFound
from relay.kit.database import Connection, fetch_one
from relay.kit.logs import get_error_location
from relay.kit.problems import Problem
from relay.streams.hub import CloseStreams
from relay.usecases.calls.authorize import authenticate_caller
from relay.usecases.calls.resolve_credential import CredentialDependency
from relay.usecases.calls.runtime import Runtime, RuntimeDependency

log = logging.getLogger(__name__)

DELETE_ACCOUNT_JOB = "delete_account"
"""Name of the job. It takes `user_id`, whose tombstone has the same."""
LEASE = timedelta(minutes=10)
"""So long nobody else begins; who died at it delays it for so long. Two at once would do no harm."""
STATEMENT_TIMEOUT = timedelta(minutes=9)
"""The longest that a statement of the rows' step may take: the inbox is read whole."""
RETRY_DELAYS = tuple(timedelta(minutes=minutes) for minutes in (1, 5, 30, 120, 360))
"""Waits after failures; the last one for ever."""
CHECK_INTERVAL_SECONDS = 30.0

# Repeating it changes nothing.
CLOSE_ACCOUNT: LiteralString = """
with closed as (
    update users set closed_at = coalesce(closed_at, now()) where id = %(user_id)s returning id, supabase_id
),
noted as (
    insert into deleted_users (id, supabase_id) select id, supabase_id from closed on conflict (id) do nothing
    returning id
),
keys as (update api_keys set revoked_at = now() where user_id = %(user_id)s and revoked_at is null),
grants as (update oauth_grants set revoked_at = now() where user_id = %(user_id)s and revoked_at is null),
codes as (delete from oauth_codes where user_id = %(user_id)s),
sessions as (delete from web_sessions where user_id = %(user_id)s),
links as (delete from sign_in_links where user_id = %(user_id)s)
select exists (select from noted) from closed
"""

_CLAIM_DELETION: LiteralString = """
update deleted_users set next_try_at = now() + %(lease)s, attempts = attempts + 1
where id = %(user_id)s and deleted_at is null and next_try_at <= now()
returning id as user_id, supabase_id, done, attempts
"""
_LIST_DUE: LiteralString = """
select id from deleted_users where deleted_at is null and next_try_at <= now() order by next_try_at limit 100
"""
_MARK_STEP_DONE: LiteralString = (
    "update deleted_users set done = done || %s::text where id = %s and not %s = any (done)"
)
_SAVE_FAILURE: LiteralString = "update deleted_users set failure = %s, next_try_at = now() + %s where id = %s"
# One row, for the operator: how many wait and since when, what stands in the way of the one that waits longest for it.
SUMMARIZE_PENDING_DELETIONS: LiteralString = """
select count(*), min(requested_at), count(*) filter (where next_try_at < now() - interval '15 minutes') as left_lying,
    (array_agg(failure order by requested_at) filter (where failure is not null))[1] as failure,
    min(next_try_at) filter (where failure is not null) as next_try_at
from deleted_users where deleted_at is null
"""
_MARK_DELETED: LiteralString = """
update deleted_users set deleted_at = coalesce(deleted_at, now()), supabase_id = null, failure = null where id = %s
"""

_HAD_VEHICLES: LiteralString = """
select exists (select from vehicles v join vehicle_links l on l.vehicle_id = v.id where v.user_id = %s)
"""
# A drain that has begun holds the feed; in this order the two do not wait for each other.
_LOCK_FEED: LiteralString = "select from feeds where user_id = %(user_id)s for update"
# The inbox knows users and cars by what events say, and a body that could not be read may say it, too.
_DELETE_INBOX_EVENTS: LiteralString = """
with cars as materialized (
    select l.enode_vehicle_id from vehicles v join vehicle_links l on l.vehicle_id = v.id where v.user_id = %(user_id)s
)
delete from webhook_logs w
where w.user_id = %(user_id)s or w.enode_vehicle_id in (select enode_vehicle_id from cars)
   or w.raw is not null and (
       position(convert_to(%(user_id)s::text, 'UTF8') in w.raw) > 0
       or exists (select from cars c where position(convert_to(c.enode_vehicle_id, 'UTF8') in w.raw) > 0))
"""
# Jobs hold ids. The one that does this is being done, and goes with its success.
_DELETE_JOBS: LiteralString = """
with ids as materialized (
    select %(user_id)s::text as id
    union all select id::text from vehicles where user_id = %(user_id)s
    union all select id::text from commands where user_id = %(user_id)s
)
delete from procrastinate_jobs j
where j.status <> 'doing' and exists (select from ids where strpos(j.args::text, ids.id) > 0)
"""
# All else that is the user's hangs on this row.
_DELETE_USER: LiteralString = "delete from users where id = %(user_id)s"

router = APIRouter(prefix="/api/user", tags=["Account"])


@dataclass(frozen=True, kw_only=True, slots=True)
class Deletion:
    """A deletion under way, and the names of the steps behind it."""

    user_id: UUID
    supabase_id: UUID | None
    done: list[str]
    attempts: int


class StepBlockedError(Exception):
    """A step lacks what it needs; the message names it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class DeletionStep:
    """One step. Doing it again, when it was done or half done, must be fine."""

    name: str
    run: Callable[[Runtime, Deletion], Awaitable[None]]


async def close_account(connection: Connection, user_id: UUID, close_streams: CloseStreams) -> None:
    """Refuse every access to the account and mark it for deletion, which a worker starts within a minute.

    Outside of a transaction, so that this is committed before the streams are closed.
    """
    await connection.execute(CLOSE_ACCOUNT, {"user_id": user_id})
    close_streams(user_id)


async def _close_account(runtime: Runtime, deletion: Deletion) -> None:
    async with runtime.pool.connection() as connection:
        await close_account(connection, deletion.user_id, runtime.hub.close_user_streams)


async def _delete_enode_user(runtime: Runtime, deletion: Deletion) -> None:
    """Enode forgets the user, with cars and vendors' tokens."""
    if runtime.enode is None:
        async with runtime.pool.connection() as connection:
            row = await (await connection.execute(_HAD_VEHICLES, [deletion.user_id])).fetchone()
        if row and row[0]:
            raise StepBlockedError("this relay has no access to Enode, where the cars are")
        return
    try:
        await runtime.enode.users.delete(str(deletion.user_id))
    except EnodeNotFound:
        log.info("Enode does not know the user that is deleted (any more)")


async def _delete_rows(runtime: Runtime, deletion: Deletion) -> None:
    """Everything that is the user's, in one transaction. What stays is the tombstone."""
    whose = {"user_id": deletion.user_id}
    async with runtime.pool.connection() as connection, connection.transaction():
        patience = str(int(STATEMENT_TIMEOUT.total_seconds() * 1000))
        await connection.execute("select set_config('statement_timeout', %s, true)", [patience])
        for statement in (_LOCK_FEED, _DELETE_INBOX_EVENTS, _DELETE_JOBS, _DELETE_USER):
            await connection.execute(statement, whose)


async def _delete_supabase_user(runtime: Runtime, deletion: Deletion) -> None:
    """Last, because until then the person can still prove who they are."""
    if deletion.supabase_id is None:
        return
    if runtime.delete_supabase_user is None:
        raise StepBlockedError("this relay has no access to Supabase's users")
    await runtime.delete_supabase_user(deletion.supabase_id)


# What ends a subscription comes after closing and before Enode, what leaves a mailing list after Enode.
STEPS: tuple[DeletionStep, ...] = (
    DeletionStep(name="closed", run=_close_account),
    DeletionStep(name="enode", run=_delete_enode_user),
    DeletionStep(name="rows", run=_delete_rows),
    DeletionStep(name="supabase", run=_delete_supabase_user),
)


async def request_deletion(runtime: Runtime, user_id: UUID) -> bool:
    """Close the account, and have it deleted. Committed when this returns; False when there is no such account."""
    async with runtime.pool.connection() as connection, connection.transaction():
        row = await (await connection.execute(CLOSE_ACCOUNT, {"user_id": user_id})).fetchone()
        if row is None:
            return False
        if row[0]:
            await runtime.jobs.defer(DELETE_ACCOUNT_JOB, after=timedelta(), connection=connection, user_id=str(user_id))
    runtime.hub.close_user_streams(user_id)
    return True


async def resume_deletion(runtime: Runtime, user_id: UUID) -> bool:
    """Go through the steps that are left, unless somebody else is at it. True when it is done.

    What fails is noted and tried again later. Raises psycopg.Error when not even that could be noted.
    """
    async with runtime.pool.connection() as connection:
        deletion = await _claim_deletion(connection, user_id)
    if deletion is None:
        return False
    for step in STEPS:
        if step.name in deletion.done:
            continue
        try:
            await step.run(runtime, deletion)
        except Exception as error:  # noqa: BLE001 - whatever stands in the way, it must be tried again
            await _schedule_retry(runtime, deletion, step, error)
            return False
        async with runtime.pool.connection() as connection:
            await connection.execute(_MARK_STEP_DONE, [step.name, user_id, step.name])
    async with runtime.pool.connection() as connection:
        await connection.execute(_MARK_DELETED, [user_id])
    log.info("an account was deleted")
    return True


async def resume_due_deletions(runtime: Runtime) -> int:
    """Go on with all that is due; returns how many were finished."""
    async with runtime.pool.connection() as connection:
        rows = await (await connection.execute(_LIST_DUE)).fetchall()
    return sum([await resume_deletion(runtime, UUID(str(row[0]))) for row in rows])


async def run_deletion_loop(runtime: Runtime) -> None:
    """Do so until cancelled. Raises psycopg.Error."""
    while True:
        await resume_due_deletions(runtime)
        await asyncio.sleep(CHECK_INTERVAL_SECONDS)


async def _claim_deletion(connection: Connection, user_id: UUID) -> Deletion | None:
    return await fetch_one(connection, _CLAIM_DELETION, {"user_id": user_id, "lease": LEASE}, class_row(Deletion))


async def _schedule_retry(runtime: Runtime, deletion: Deletion, step: DeletionStep, error: Exception) -> None:
    wait = RETRY_DELAYS[min(deletion.attempts, len(RETRY_DELAYS)) - 1]
    # The text of other errors may quote a row, or an answer.
    cause = str(error) if isinstance(error, StepBlockedError) else type(error).__name__
    where = get_error_location(error) if isinstance(error, psycopg.Error) else cause
    log.warning("an account is not deleted yet: step %s failed (%s), next try in %s", step.name, where, wait)
    async with runtime.pool.connection() as connection:
        await connection.execute(_SAVE_FAILURE, [f"{step.name}: {cause}", wait, deletion.user_id])


class DeletionConfirmation(BaseModel):
    """That this account is meant."""

    # The account's id, so that no request deletes what its sender did not look at.
    confirm: Annotated[str, Field(max_length=100)]


class DeletionRecord(TypedDict):
    """An account that is being deleted."""

    id: UUID
    state: Literal["deleting"]


@router.delete("", status_code=202, response_model=None, responses={202: {"model": DeletionRecord}})
async def delete_user(
    body: DeletionConfirmation, runtime: RuntimeDependency, authorization: CredentialDependency
) -> DeletionRecord:
    """Delete the caller's account with all that belongs to it. Cannot be undone; credentials are dead at once."""
    async with runtime.pool.connection() as connection:
        user_id = (await authenticate_caller(connection, authorization, scope="account")).caller.user_id
    if body.confirm != str(user_id):
        raise Problem(422, "invalid-request", "Please correct: body.confirm. Give the account's id to confirm.")
    await request_deletion(runtime, user_id)
    return {"id": user_id, "state": "deleting"}
