"""Correct charging sessions: an owner deletes a wrong one, states its energy, or restores what the relay derived."""

from collections.abc import Awaitable, Callable
from typing import Annotated, LiteralString
from uuid import UUID

from fastapi import APIRouter
from psycopg.rows import DictRow, dict_row
from pydantic import BaseModel, Field

from relay.feed.sequence import advance_feed
from relay.identity.credentials import Credential
from relay.kit.database import Connection, fetch_one
from relay.kit.problems import Problem
from relay.usecases.calls.authorize import authenticate_caller
from relay.usecases.calls.resolve_credential import CredentialDependency
from relay.usecases.calls.runtime import Runtime, RuntimeDependency
from relay.usecases.feed.record_change import bump_vehicle_revisions
from relay.vehicles.charging.correction_repository import find_stated_energy, save_correction
from relay.vehicles.charging.owner_corrections import MAX_ENERGY_KWH
from relay.vehicles.charging.rows import parse_session_row
from relay.vehicles.charging.session_records import IS_UNDER_WAY, SessionRecord, render_session_record

FIND_SESSION: LiteralString = f"""
select s.*, {IS_UNDER_WAY} as under_way from charging_sessions s join vehicles v on v.id = s.vehicle_id
where s.id = %s and v.user_id = %s and v.link_state <> 'over_limit'
"""  # noqa: S608 - our own constant

router = APIRouter(prefix="/api/ha/v2/sessions")


class SessionCorrectionRequest(BaseModel):
    """The energy that was charged, in kWh; null restores what the relay derived."""

    energy_kwh: Annotated[float, Field(ge=0, le=MAX_ENERGY_KWH, allow_inf_nan=False)] | None


@router.patch("/{session_id}", response_model=None, responses={200: {"model": SessionRecord}})
async def patch_session(
    session_id: UUID, body: SessionCorrectionRequest, runtime: RuntimeDependency, authorization: CredentialDependency
) -> SessionRecord:
    """Correct the energy of a session that has ended, or undo the correction. Costs no call."""
    user_id = await _authenticate(runtime, authorization)
    return render_session_record(await correct_session_energy(runtime, user_id, session_id, body.energy_kwh))


@router.delete("/{session_id}", status_code=204, response_model=None)
async def delete_session_route(
    session_id: UUID, runtime: RuntimeDependency, authorization: CredentialDependency
) -> None:
    """Delete a session that has ended and never took place. It can be restored. Costs no call."""
    await delete_session(runtime, await _authenticate(runtime, authorization), session_id)


@router.post("/{session_id}/restore", response_model=None, responses={200: {"model": SessionRecord}})
async def restore_session_route(
    session_id: UUID, runtime: RuntimeDependency, authorization: CredentialDependency
) -> SessionRecord:
    """Restore a deleted session; any other one is returned unchanged. Costs no call."""
    return render_session_record(
        await restore_session(runtime, await _authenticate(runtime, authorization), session_id)
    )


async def find_session(connection: Connection, user_id: UUID, session_id: UUID) -> DictRow:
    """A session of the user, deleted ones included, with `under_way`. Raises Problem 404."""
    row = await fetch_one(connection, FIND_SESSION, [session_id, user_id], dict_row)
    if row is None:
        raise Problem(404, "not-found", "No such charging session.")
    return row


def require_ended(row: DictRow) -> None:
    """Raise Problem 409 for a session that is under way."""
    if row["under_way"]:
        raise Problem(
            409, "session-open", "This session hasn't ended, so its energy still changes. Try again when it has ended."
        )


async def correct_session_energy(
    runtime: Runtime, user_id: UUID, session_id: UUID, energy_kwh: float | None
) -> DictRow:
    """State a session's energy, None to undo that, and return the session.

    Raises Problem 404, also for a deleted session, and 409 for one that is under way.
    """

    async def correct(connection: Connection, row: DictRow) -> bool:
        if row["deleted_by_owner"]:
            raise Problem(404, "not-found", "This charging session is deleted. Restore it first.")
        if energy_kwh is not None:
            require_ended(row)
        return await save_correction(connection, row, energy_kwh=energy_kwh, is_deleted=False)

    return await _change_session(runtime, user_id, session_id, correct)


async def delete_session(runtime: Runtime, user_id: UUID, session_id: UUID) -> DictRow:
    """Delete a session, unless it is deleted, and return it. Raises Problem 404, and 409 for one that is under way."""

    async def delete(connection: Connection, row: DictRow) -> bool:
        if row["deleted_by_owner"]:
            return False
        require_ended(row)
        stated_kwh = await find_stated_energy(connection, row["vehicle_id"], parse_session_row(row).period)
        return await save_correction(connection, row, energy_kwh=stated_kwh, is_deleted=True)

    return await _change_session(runtime, user_id, session_id, delete)


async def restore_session(runtime: Runtime, user_id: UUID, session_id: UUID) -> DictRow:
    """Restore a deleted session, with the energy that was stated before, and return it. Raises Problem 404."""

    async def restore(connection: Connection, row: DictRow) -> bool:
        if not row["deleted_by_owner"]:
            return False
        stated_kwh = await find_stated_energy(connection, row["vehicle_id"], parse_session_row(row).period)
        return await save_correction(connection, row, energy_kwh=stated_kwh, is_deleted=False)

    return await _change_session(runtime, user_id, session_id, restore)


async def _change_session(
    runtime: Runtime, user_id: UUID, session_id: UUID, change: Callable[[Connection, DictRow], Awaitable[bool]]
) -> DictRow:
    """Change a session under the lock of the feed, publish changed counters, and return the session as it is then."""
    async with runtime.pool.connection() as connection, connection.transaction():
        await advance_feed(connection, user_id, 0)
        row = await find_session(connection, user_id, session_id)
        has_update = await change(connection, row)
        if has_update:
            await bump_vehicle_revisions(connection, user_id, [row["vehicle_id"]])
        row = await find_session(connection, user_id, session_id)
    if has_update:
        runtime.feed_waker.wake([user_id])
    return row


async def _authenticate(runtime: Runtime, authorization: Credential | None) -> UUID:
    async with runtime.pool.connection() as connection:
        call = await authenticate_caller(connection, authorization, scope="control")
    runtime.rate_limiter.check(call.caller.rate_limit_key)
    return call.caller.user_id
