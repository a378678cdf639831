"""What became of commands: one, a car's history, and giving one up."""

import asyncio
import logging
from typing import Annotated, LiteralString, TypedDict
from uuid import UUID

from fastapi import APIRouter, Query
from psycopg.rows import DictRow, dict_row

from relay.gateways.enode import EnodeError, EnodeNotFound
from relay.identity.credentials import Credential
from relay.kit.problems import Problem
from relay.usecases.calls.authorize import Scope, authenticate_caller
from relay.usecases.calls.get_vehicle import get_call_vehicle
from relay.usecases.calls.resolve_credential import CredentialDependency
from relay.usecases.calls.runtime import Runtime, RuntimeDependency
from relay.usecases.commands.send_command import FIND_BY_ID, find_command
from relay.usecases.commands.update_state import CommandOutcome, get_action_outcome, record_command_outcome
from relay.vehicles.records import CommandRecord, render_command_record

log = logging.getLogger(__name__)

LIST_COMMANDS: LiteralString = """
select * from commands where user_id = %s and vehicle_id = %s order by requested_at desc, id limit %s
"""
MAX_COMMANDS_LISTED = 100
NOT_SENT_RETRY_AFTER_SECONDS = 5

router = APIRouter(prefix="/api/ha/v2", tags=["Home Assistant"])


class CommandHistoryRecord(TypedDict):
    """Commands to a car, the newest first."""

    commands: list[CommandRecord]


@router.get("/commands/{command_id}", response_model=None, responses={200: {"model": CommandRecord}})
async def get_command(
    command_id: UUID, runtime: RuntimeDependency, authorization: CredentialDependency
) -> CommandRecord:
    """How far a command got. Costs nothing."""
    return render_command_record(await _get_own_command(runtime, authorization, command_id, scope="read"))


@router.get("/vehicles/{vehicle_id}/commands", response_model=None, responses={200: {"model": CommandHistoryRecord}})
async def get_command_history(
    vehicle_id: str,
    runtime: RuntimeDependency,
    authorization: CredentialDependency,
    limit: Annotated[int, Query(ge=1, le=MAX_COMMANDS_LISTED)] = 20,
) -> CommandHistoryRecord:
    """What the car was asked and what came of it, the newest first. Costs nothing."""
    async with runtime.pool.connection() as connection:
        call = await authenticate_caller(connection, authorization, scope="read")
        runtime.rate_limiter.check(call.caller.rate_limit_key)
        car = await get_call_vehicle(connection, call.caller.user_id, vehicle_id)
        async with connection.cursor(row_factory=dict_row) as cursor:
            await cursor.execute(LIST_COMMANDS, [call.caller.user_id, car.vehicle_id, limit])
            return {"commands": [render_command_record(row) for row in await cursor.fetchall()]}


@router.post("/commands/{command_id}/cancel", response_model=None, responses={200: {"model": CommandRecord}})
async def cancel_command(
    command_id: UUID, runtime: RuntimeDependency, authorization: CredentialDependency
) -> CommandRecord:
    """Give a command up; one that is settled is answered as it ended. The car may still do it. Costs nothing."""
    row = await _get_own_command(runtime, authorization, command_id, scope="control")
    if row["settled_at"] is not None:
        return render_command_record(row)
    if row["enode_action_id"] is None:
        raise Problem(
            409,
            "not-sent",
            "Enode has not said yet that it took this command, so there is nothing to cancel. Try again soon.",
            headers={"Retry-After": str(NOT_SENT_RETRY_AFTER_SECONDS)},
            command=render_command_record(row),
        )
    # Shielded: what Enode has cancelled must be known here, too, when the caller hangs up.
    return render_command_record(await asyncio.shield(_cancel_and_record(runtime, row)))


async def _cancel_and_record(runtime: Runtime, row: DictRow) -> DictRow:
    outcome = await _cancel_at_enode(runtime, row["enode_action_id"])
    async with runtime.pool.connection() as connection:
        await record_command_outcome(connection, row["id"], outcome)
        moved = await find_command(connection, row["user_id"], FIND_BY_ID, row["id"])
    runtime.feed_waker.wake([row["user_id"]])
    return moved or row


async def _cancel_at_enode(runtime: Runtime, action_id: str) -> CommandOutcome:
    if runtime.enode is None:
        raise Problem(502, "enode-unavailable", "This relay has no access to Enode.")
    try:
        return get_action_outcome(await runtime.enode.actions.cancel(action_id))
    except EnodeNotFound:
        return CommandOutcome.unknown("Enode does not know this action any more.")
    except EnodeError as error:
        log.warning("a command was not cancelled: %s", error)
        words = "Enode did not cancel the command: it stays open. Try again soon."
        raise Problem(502, "enode-unavailable", words) from None


async def _get_own_command(
    runtime: Runtime, credential: Credential | None, command_id: UUID, *, scope: Scope
) -> DictRow:
    """The caller's command. Raises Problem 401, 403, 404, 429."""
    async with runtime.pool.connection() as connection:
        call = await authenticate_caller(connection, credential, scope=scope)
        runtime.rate_limiter.check(call.caller.rate_limit_key)
        row = await find_command(connection, call.caller.user_id, FIND_BY_ID, command_id)
    if row is None:
        raise Problem(404, "not-found", "No such command.")
    return row
