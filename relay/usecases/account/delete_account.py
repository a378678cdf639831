"""Delete an account in steps, and resume after any interruption.

A row of `deleted_users` (the tombstone) records the finished steps. A job starts the deletion at once; the leader's
loop resumes those that failed or were interrupted.
"""

import asyncio
import logging
from datetime import timedelta
from typing import Annotated, Literal, LiteralString, TypedDict
from uuid import UUID

import psycopg
from fastapi import APIRouter, Request
from psycopg.rows import class_row, scalar_row
from pydantic import BaseModel, Field

from relay.kit.database import Connection, fetch_all, fetch_one
from relay.kit.logs import get_error_location
from relay.kit.problems import Problem
from relay.kit.stored_times import format_interval, is_due, select_delay
from relay.usecases.account.deletion_steps import CLOSE_ACCOUNT, STEPS, Deletion, DeletionStep, StepBlockedError
from relay.usecases.calls.authorize import authenticate_caller
from relay.usecases.calls.resolve_credential import CredentialDependency, require_recent_sign_in
from relay.usecases.calls.runtime import Runtime, RuntimeDependency

log = logging.getLogger(__name__)

DELETE_ACCOUNT_JOB = "delete_account"
"""Name of the job. Its argument `user_id` is also the id of the tombstone."""
LEASE = timedelta(minutes=10)
"""How long one process claims a deletion. If that process dies, the deletion resumes after this time.

The steps are idempotent, so two processes at once do no harm.
"""
RETRY_DELAYS = tuple(timedelta(minutes=minutes) for minutes in (1, 5, 30, 120, 360))
"""Delays after consecutive failures; the last one repeats."""
CHECK_INTERVAL_SECONDS = 30.0

MAX_TRY_AHEAD: LiteralString = f"greatest({format_interval(LEASE)}, {select_delay('attempts', RETRY_DELAYS)})"
"""How far ahead `next_try_at` can be: a claim sets it as well, after it has counted the attempt."""
_IS_DUE: LiteralString = is_due("next_try_at", MAX_TRY_AHEAD)
_CLAIM_DELETION: LiteralString = f"""
update deleted_users set next_try_at = now() + %(lease)s, attempts = attempts + 1
where id = %(user_id)s and deleted_at is null and {_IS_DUE}
returning id as user_id, supabase_id, done, attempts
"""  # noqa: S608 - our own constant
_LIST_DUE: LiteralString = f"""
select id from deleted_users where deleted_at is null and {_IS_DUE} order by next_try_at limit 100
"""  # noqa: S608 - our own constant
_MARK_STEP_DONE: LiteralString = (
    "update deleted_users set done = done || %s::text where id = %s and not %s = any (done)"
)
_SAVE_FAILURE: LiteralString = "update deleted_users set failure = %s, next_try_at = now() + %s where id = %s"
# One row for the operator: how many deletions are pending and since when, how many are overdue although a worker should
# have resumed them, and the failure of the oldest that has one.
SUMMARIZE_PENDING_DELETIONS: LiteralString = """
select count(*), min(requested_at), count(*) filter (where next_try_at < now() - interval '15 minutes') as overdue,
    (array_agg(failure order by requested_at) filter (where failure is not null))[1] as failure,
    min(next_try_at) filter (where failure is not null) as next_try_at
from deleted_users where deleted_at is null
"""
_MARK_DELETED: LiteralString = """
update deleted_users set deleted_at = coalesce(deleted_at, now()), supabase_id = null, failure = null where id = %s
"""

router = APIRouter(prefix="/api/user")


async def request_deletion(runtime: Runtime, user_id: UUID) -> bool:
    """Close the account and schedule its deletion, committed on return. False if there is no such account."""
    async with runtime.pool.connection() as connection, connection.transaction():
        is_new: bool | None = await fetch_one(connection, CLOSE_ACCOUNT, {"user_id": user_id}, scalar_row)
        if is_new is None:
            return False
        if is_new:
            await runtime.jobs.defer(DELETE_ACCOUNT_JOB, after=timedelta(), connection=connection, user_id=str(user_id))
    runtime.hub.close_user_streams(user_id)
    return True


async def resume_deletion(runtime: Runtime, user_id: UUID) -> bool:
    """Run the remaining steps unless another process has claimed them. True once the account is deleted.

    A failure is recorded and retried later. Raises psycopg.Error if it can't be recorded.
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
        except Exception as error:  # noqa: BLE001 - any failure is retried
            await _schedule_retry(runtime, deletion, step, error)
            return False
        async with runtime.pool.connection() as connection:
            await connection.execute(_MARK_STEP_DONE, [step.name, user_id, step.name])
    async with runtime.pool.connection() as connection:
        await connection.execute(_MARK_DELETED, [user_id])
    log.info("account deleted")
    return True


async def resume_due_deletions(runtime: Runtime) -> int:
    """Resume the deletions that are due, at most 100; returns how many finished."""
    async with runtime.pool.connection() as connection:
        user_ids: list[UUID] = await fetch_all(connection, _LIST_DUE, [], scalar_row)
    return sum([await resume_deletion(runtime, user_id) for user_id in user_ids])


async def run_deletion_loop(runtime: Runtime) -> None:
    """Resume due deletions every CHECK_INTERVAL_SECONDS until cancelled. Raises psycopg.Error."""
    while True:
        await resume_due_deletions(runtime)
        await asyncio.sleep(CHECK_INTERVAL_SECONDS)


async def _claim_deletion(connection: Connection, user_id: UUID) -> Deletion | None:
    return await fetch_one(connection, _CLAIM_DELETION, {"user_id": user_id, "lease": LEASE}, class_row(Deletion))


async def _schedule_retry(runtime: Runtime, deletion: Deletion, step: DeletionStep, error: Exception) -> None:
    delay = RETRY_DELAYS[min(deletion.attempts, len(RETRY_DELAYS)) - 1]
    # The message of any other error may quote a row or a response.
    cause = str(error) if isinstance(error, StepBlockedError) else type(error).__name__
    logged_cause = get_error_location(error) if isinstance(error, psycopg.Error) else cause
    log.warning(
        "account deletion failed step=%s attempt=%d next_try=%s error=%s",
        step.name,
        deletion.attempts,
        delay,
        logged_cause,
    )
    async with runtime.pool.connection() as connection:
        await connection.execute(_SAVE_FAILURE, [f"{step.name}: {cause}", delay, deletion.user_id])


class DeletionConfirmation(BaseModel):
    """Confirmation that this account is to be deleted."""

    # The account's id, so that a request can't delete an account that its sender didn't mean.
    confirm: Annotated[str, Field(max_length=100)]


class DeletionRecord(TypedDict):
    """An account that is being deleted."""

    id: UUID
    state: Literal["deleting"]


@router.delete("", status_code=202, response_model=None, responses={202: {"model": DeletionRecord}})
async def delete_user(
    body: DeletionConfirmation, runtime: RuntimeDependency, authorization: CredentialDependency, request: Request
) -> DeletionRecord:
    """Delete the caller's account and all its data. This can't be undone; credentials stop working at once.

    Needs a token of a user who signed in within the last 15 minutes; a refreshed token isn't enough.
    """
    async with runtime.pool.connection() as connection:
        user_id = (await authenticate_caller(connection, authorization, scope="account")).caller.user_id
    await require_recent_sign_in(runtime, request)
    if body.confirm != str(user_id):
        raise Problem(
            422, "invalid-request", "Please correct: body.confirm. To delete the account, send its id in `confirm`."
        )
    await request_deletion(runtime, user_id)
    return {"id": user_id, "state": "deleting"}
