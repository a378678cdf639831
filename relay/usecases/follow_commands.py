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
from relay.usecases.authorize import Scope, authenticate
from relay.usecases.command_charging import FIND_BY_ID, find_command
from relay.usecases.find_car import find_car
from relay.usecases.move_command import Outcome, move_command, outcome_of
from relay.usecases.present_credential import Authorization
from relay.usecases.runtime import Runtime, RuntimeDependency
from relay.vehicles.records import CommandRecord, command_record

log = logging.getLogger(__name__)

HISTORY: LiteralString = """
select * from commands where user_id = %s and vehicle_id = %s order by requested_at desc, id limit %s
"""
MOST_SHOWN = 100
NOT_SENT_RETRY_AFTER = 5

router = APIRouter(prefix="/api/ha/v2", tags=["Home Assistant"])


class HistoryRecord(TypedDict):
    """Commands to a car, the newest first."""

    commands: list[CommandRecord]


@router.get("/commands/{command_id}", response_model=None, responses={200: {"model": CommandRecord}})
async def get_command(command_id: UUID, runtime: RuntimeDependency, authorization: Authorization) -> CommandRecord:
    """How far a command got. Costs nothing."""
    return command_record(await _mine(runtime, authorization, command_id, scope="read"))


@router.get("/vehicles/{vehicle_id}/commands", response_model=None, responses={200: {"model": HistoryRecord}})
async def get_history(
    vehicle_id: str,
    runtime: RuntimeDependency,
    authorization: Authorization,
    limit: Annotated[int, Query(ge=1, le=MOST_SHOWN)] = 20,
) -> HistoryRecord:
    """What the car was asked and what came of it, the newest first. Costs nothing."""
    async with runtime.pool.connection() as connection:
        call = await authenticate(connection, authorization, scope="read")
        runtime.bursts.take(call.caller.holder)
        car = await find_car(connection, call.caller.user_id, vehicle_id)
        async with connection.cursor(row_factory=dict_row) as cursor:
            await cursor.execute(HISTORY, [call.caller.user_id, car.vehicle_id, limit])
            return {"commands": [command_record(row) for row in await cursor.fetchall()]}


@router.post("/commands/{command_id}/cancel", response_model=None, responses={200: {"model": CommandRecord}})
async def post_cancel(command_id: UUID, runtime: RuntimeDependency, authorization: Authorization) -> CommandRecord:
    """Give a command up; one that is settled is answered as it ended. The car may still do it. Costs nothing."""
    row = await _mine(runtime, authorization, command_id, scope="control")
    if row["settled_at"] is not None:
        return command_record(row)
    if row["enode_action_id"] is None:
        raise Problem(
            409,
            "not-sent",
            "Enode has not said yet that it took this command, so there is nothing to cancel. Try again soon.",
            headers={"Retry-After": str(NOT_SENT_RETRY_AFTER)},
            command=command_record(row),
        )
    # Shielded: what Enode has cancelled must be known here, too, when the caller hangs up.
    return command_record(await asyncio.shield(_cancel(runtime, row)))


async def _cancel(runtime: Runtime, row: DictRow) -> DictRow:
    outcome = await _ask_enode(runtime, row["enode_action_id"])
    async with runtime.pool.connection() as connection:
        await move_command(connection, row["id"], outcome)
        moved = await find_command(connection, row["user_id"], FIND_BY_ID, row["id"])
    runtime.feed_waker.wake([row["user_id"]])
    return moved or row


async def _ask_enode(runtime: Runtime, action_id: str) -> Outcome:
    if runtime.enode is None:
        raise Problem(502, "enode-unavailable", "This relay has no access to Enode.")
    try:
        return outcome_of(await runtime.enode.actions.cancel(action_id))
    except EnodeNotFound:
        return Outcome.unknown("Enode does not know this action any more.")
    except EnodeError as error:
        log.warning("a command was not cancelled: %s", error)
        words = "Enode did not cancel the command: it stays open. Try again soon."
        raise Problem(502, "enode-unavailable", words) from None


async def _mine(runtime: Runtime, authorization: Credential | None, command_id: UUID, *, scope: Scope) -> DictRow:
    """The caller's command. Raises Problem 401, 403, 404, 429."""
    async with runtime.pool.connection() as connection:
        call = await authenticate(connection, authorization, scope=scope)
        runtime.bursts.take(call.caller.holder)
        row = await find_command(connection, call.caller.user_id, FIND_BY_ID, command_id)
    if row is None:
        raise Problem(404, "not-found", "No such command.")
    return row
