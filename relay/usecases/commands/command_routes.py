"""Routes of commands: start, stop or limit charging, get one command or a vehicle's history, cancel a command."""

from typing import Annotated, TypedDict
from uuid import UUID

from fastapi import APIRouter, Header, Query
from fastapi.responses import JSONResponse
from psycopg.rows import DictRow
from pydantic import BaseModel, Field

from relay.gateways.enode import ActionKind
from relay.identity.credentials import Credential
from relay.kit.problems import Problem
from relay.usecases.calls.authorize import Scope, authenticate_caller
from relay.usecases.calls.get_vehicle import get_call_vehicle
from relay.usecases.calls.resolve_credential import CredentialDependency
from relay.usecases.calls.runtime import Runtime, RuntimeDependency
from relay.usecases.commands.cancel_command import cancel_open_command
from relay.usecases.commands.repository import find_command_by_id, list_commands
from relay.usecases.commands.send_command import MAX_CURRENT, CommandRequest, send_command
from relay.vehicles.records import CommandRecord, render_command_record

MAX_COMMANDS_LISTED = 100

router = APIRouter(prefix="/api/ha/v2")


class ChargingRequest(BaseModel):
    """The charging action to send: START or STOP."""

    action: ActionKind


class MaxCurrentRequest(BaseModel):
    """The current limit to set, in amperes per phase."""

    amps: float = Field(gt=0, le=100, allow_inf_nan=False)


class CommandHistoryRecord(TypedDict):
    """Commands to one vehicle, newest first."""

    commands: list[CommandRecord]


type IdempotencyKey = Annotated[str | None, Header(min_length=1, max_length=200)]


@router.post(
    "/vehicles/{vehicle_id}/charging", status_code=202, response_model=None, responses={202: {"model": CommandRecord}}
)
async def post_charging(
    vehicle_id: str,
    body: ChargingRequest,
    runtime: RuntimeDependency,
    authorization: CredentialDependency,
    idempotency_key: IdempotencyKey = None,
) -> JSONResponse:
    """Start or stop charging. The outcome follows on the stream, or at `commands/{id}`. One call."""
    request = CommandRequest(
        vehicle_id=vehicle_id, kind=body.action, endpoint="v2/charging", idempotency_key=idempotency_key
    )
    result = await send_command(runtime, authorization, request)
    return JSONResponse(result.command, 202, headers=result.headers)


@router.post(
    "/vehicles/{vehicle_id}/max-current",
    status_code=202,
    response_model=None,
    responses={202: {"model": CommandRecord}},
)
async def post_max_current(
    vehicle_id: str,
    body: MaxCurrentRequest,
    runtime: RuntimeDependency,
    authorization: CredentialDependency,
    idempotency_key: IdempotencyKey = None,
) -> JSONResponse:
    """Limit the charging current. Only for vehicles with the capability `setMaxCurrent`. One call."""
    request = CommandRequest(
        vehicle_id=vehicle_id,
        kind=MAX_CURRENT,
        amps=body.amps,
        endpoint="v2/max-current",
        idempotency_key=idempotency_key,
    )
    result = await send_command(runtime, authorization, request)
    return JSONResponse(result.command, 202, headers=result.headers)


@router.get("/commands/{command_id}", response_model=None, responses={200: {"model": CommandRecord}})
async def get_command(
    command_id: UUID, runtime: RuntimeDependency, authorization: CredentialDependency
) -> CommandRecord:
    """Get a command and its state. Costs nothing."""
    return render_command_record(await _get_callers_command(runtime, authorization, command_id, scope="read"))


@router.get("/vehicles/{vehicle_id}/commands", response_model=None, responses={200: {"model": CommandHistoryRecord}})
async def get_command_history(
    vehicle_id: str,
    runtime: RuntimeDependency,
    authorization: CredentialDependency,
    limit: Annotated[int, Query(ge=1, le=MAX_COMMANDS_LISTED)] = 20,
) -> CommandHistoryRecord:
    """List a vehicle's commands and their outcomes, newest first. Costs nothing."""
    async with runtime.pool.connection() as connection:
        call = await authenticate_caller(connection, authorization, scope="read")
        runtime.rate_limiter.check(call.caller.rate_limit_key)
        vehicle = await get_call_vehicle(connection, call.caller.user_id, vehicle_id)
        rows = await list_commands(connection, call.caller.user_id, vehicle.vehicle_id, limit)
    return {"commands": [render_command_record(row) for row in rows]}


@router.post("/commands/{command_id}/cancel", response_model=None, responses={200: {"model": CommandRecord}})
async def cancel_command(
    command_id: UUID, runtime: RuntimeDependency, authorization: CredentialDependency
) -> CommandRecord:
    """Cancel a command; a settled one is returned unchanged. The car may still carry it out. Costs nothing."""
    command = await _get_callers_command(runtime, authorization, command_id, scope="control")
    return render_command_record(await cancel_open_command(runtime, command))


async def _get_callers_command(
    runtime: Runtime, credential: Credential | None, command_id: UUID, *, scope: Scope
) -> DictRow:
    """Return the caller's command. Raises Problem 401, 403, 404, 429."""
    async with runtime.pool.connection() as connection:
        call = await authenticate_caller(connection, credential, scope=scope)
        runtime.rate_limiter.check(call.caller.rate_limit_key)
        row = await find_command_by_id(connection, call.caller.user_id, command_id)
    if row is None:
        raise Problem(404, "not-found", "No such command.")
    return row
