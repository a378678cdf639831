"""A user asks a car to charge, to stop, or to draw less: a row first, then Enode, and no claim before it is true."""

import asyncio
import logging
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Annotated, Final, Literal, LiteralString
from uuid import UUID

from fastapi import APIRouter, Header
from fastapi.responses import JSONResponse
from psycopg.rows import DictRow, dict_row
from pydantic import BaseModel, Field

from relay.gateways.enode import (
    ActionKind,
    ChargeAction,
    EnodeClient,
    EnodeError,
    EnodeNotFound,
    EnodeRefused,
    EnodeUnavailable,
)
from relay.identity.credentials import Credential
from relay.kit.database import Connection, fetch_one
from relay.kit.problems import Problem
from relay.usecases.calls.authorize import (
    AuthorizedCall,
    CallRequest,
    CallVehicle,
    authenticate_caller,
    authorize_call,
    refund_call,
    render_call_headers,
)
from relay.usecases.calls.get_vehicle import get_call_vehicle
from relay.usecases.calls.resolve_credential import CredentialDependency
from relay.usecases.calls.runtime import Runtime, RuntimeDependency
from relay.usecases.commands.update_state import (
    CommandOutcome,
    CommandProgress,
    get_action_outcome,
    publish_command_progress,
    record_command_outcome,
)
from relay.vehicles.capabilities import has_capability
from relay.vehicles.records import CommandRecord, render_command_record

log = logging.getLogger(__name__)

CHECK_COMMAND_JOB = "check_command"
MAX_CURRENT: Final = "MAX_CURRENT"
# Enode confirms by webhook; these are the bounded checks behind it. Its own time-out is 30 minutes at most vendors.
CHECK_DELAYS = tuple(timedelta(seconds=seconds) for seconds in (30, 120, 600, 2100))

INSERT: LiteralString = """
insert into commands (user_id, vehicle_id, kind, amps, idempotency_key, credential_id)
values (%s, %s, %s, %s, %s, %s)
on conflict (user_id, idempotency_key) do nothing returning id
"""
FIND_BY_ID: LiteralString = "select * from commands where user_id = %s and id = %s"
FIND_BY_IDEMPOTENCY_KEY: LiteralString = "select * from commands where user_id = %s and idempotency_key = %s"

OUTCOME_UNKNOWN_DETAIL = "Enode did not answer: the car may or may not do it. The command stays open until it is known."

router = APIRouter(tags=["Home Assistant"])


class ChargingRequest(BaseModel):
    """What the car shall do."""

    action: ActionKind


class MaxCurrentRequest(BaseModel):
    """The most that the car shall draw, in amperes (of each phase)."""

    amps: float = Field(gt=0, le=100, allow_inf_nan=False)


type IdempotencyKey = Annotated[str | None, Header(min_length=1, max_length=200)]


@router.post(
    "/api/ha/v2/vehicles/{vehicle_id}/charging",
    status_code=202,
    response_model=None,
    responses={202: {"model": CommandRecord}},
)
async def post_charging(
    vehicle_id: str,
    body: ChargingRequest,
    runtime: RuntimeDependency,
    authorization: CredentialDependency,
    idempotency_key: IdempotencyKey = None,
) -> JSONResponse:
    """Ask the car. The answer is the command as far as it got; its outcome comes by stream or `commands/{id}`."""
    wish = CommandRequest(
        vehicle_id=vehicle_id, kind=body.action, endpoint="v2/charging", idempotency_key=idempotency_key
    )
    done = await send_command(runtime, authorization, wish)
    return JSONResponse(done.command, 202, headers=done.headers)


@router.post(
    "/api/ha/v2/vehicles/{vehicle_id}/max-current",
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
    """Limit the current that the car draws. Only for cars whose `capabilities.setMaxCurrent` says that they can."""
    wish = CommandRequest(
        vehicle_id=vehicle_id,
        kind=MAX_CURRENT,
        amps=body.amps,
        endpoint="v2/max-current",
        idempotency_key=idempotency_key,
    )
    done = await send_command(runtime, authorization, wish)
    return JSONResponse(done.command, 202, headers=done.headers)


@dataclass(frozen=True, kw_only=True, slots=True)
class CommandRequest:
    """What is asked of which car, under which key, by which route."""

    vehicle_id: str
    kind: ActionKind | Literal["MAX_CURRENT"]
    endpoint: str
    # What MAX_CURRENT asks for.
    amps: float | None = None
    idempotency_key: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class CommandResult:
    """The command as far as it got, and what its answer says of the month in its header fields."""

    command: CommandRecord
    headers: dict[str, str]


async def send_command(runtime: Runtime, credential: Credential | None, request: CommandRequest) -> CommandResult:
    """Ask the car of this caller; the command as far as it got.

    Raises Problem as `authorize` does, 422 `command-refused` (`enode_status`: how Enode said no), 502 when Enode does
    not answer.
    """
    asked = CallRequest(scope="control", endpoint=request.endpoint, vehicle_id=request.vehicle_id)
    async with runtime.pool.connection() as connection:
        try:
            call = await authorize_call(connection, credential, runtime.plans, asked)
        except Problem as problem:
            return await _get_repeated_command(connection, runtime, credential, request, problem)
        if request.kind == MAX_CURRENT and not has_capability(_require_vehicle(call).vehicle, "setMaxCurrent"):
            raise _create_incapable_problem(render_call_headers(await refund_call(connection, call), runtime.plans))
        command_id = await _insert_command(connection, runtime, call, request)
        if command_id is None:  # the same request again: its call is given back, the car is not asked twice
            call = await refund_call(connection, call)
            row = await find_command(connection, call.caller.user_id, FIND_BY_IDEMPOTENCY_KEY, request.idempotency_key)
            return _build_repeated_result(row, call, request, render_call_headers(call, runtime.plans))
    # Shielded: who hangs up must not leave a command that Enode has and we do not know of.
    return await asyncio.shield(_send_to_enode(runtime, call, command_id, request))


async def _get_repeated_command(
    connection: Connection, runtime: Runtime, credential: Credential | None, request: CommandRequest, problem: Problem
) -> CommandResult:
    """The command of the same request before, which may have taken the last call. Else raises `problem`."""
    if problem.slug != "quota-exhausted" or request.idempotency_key is None:
        raise problem
    call = await authenticate_caller(connection, credential, scope="control")
    row = await find_command(connection, call.caller.user_id, FIND_BY_IDEMPOTENCY_KEY, request.idempotency_key)
    if row is None:
        raise problem
    call = replace(call, vehicle=await get_call_vehicle(connection, call.caller.user_id, request.vehicle_id))
    return _build_repeated_result(row, call, request, render_call_headers(call, runtime.plans))


def _build_repeated_result(
    row: DictRow | None, call: AuthorizedCall, request: CommandRequest, headers: dict[str, str]
) -> CommandResult:
    asked = (_require_vehicle(call).vehicle_id, request.kind, request.amps)
    if row is None or (row["vehicle_id"], row["kind"], row["amps"]) != asked:
        words = "This Idempotency-Key was used for another command."
        raise Problem(422, "invalid-request", words, headers=headers)
    return CommandResult(command=render_command_record(row), headers=headers)


async def _insert_command(
    connection: Connection, runtime: Runtime, call: AuthorizedCall, request: CommandRequest
) -> UUID | None:
    """Write the command and its first check in one transaction; None when the key was used before."""
    async with connection.transaction():
        cursor = await connection.execute(
            INSERT,
            [
                call.caller.user_id,
                _require_vehicle(call).vehicle_id,
                request.kind,
                request.amps,
                request.idempotency_key,
                call.caller.credential_id,
            ],
        )
        row = await cursor.fetchone()
        if row is None:
            return None
        command_id = UUID(str(row[0]))
        await publish_command_progress(
            connection, CommandProgress(user_id=call.caller.user_id, vehicle_id=_require_vehicle(call).vehicle_id)
        )
        await runtime.jobs.defer(
            CHECK_COMMAND_JOB, after=CHECK_DELAYS[0], connection=connection, command_id=str(command_id), number=0
        )
    return command_id


async def _send_to_enode(
    runtime: Runtime, call: AuthorizedCall, command_id: UUID, request: CommandRequest
) -> CommandResult:
    outcome, problem = None, None
    try:
        outcome = get_action_outcome(await _create_enode_action(runtime.enode, _require_vehicle(call), request))
    except (EnodeRefused, EnodeNotFound) as error:
        outcome, problem = _create_refusal(error)
    except EnodeError as error:
        log.warning("a command did not get through: %s", error)
        # Sent and unanswered is neither done nor failed: it stays open until Enode tells, or a check finds out.
        outcome = (
            None if error.is_outcome_unknown else CommandOutcome.failed("UNAVAILABLE", "Enode could not be reached.")
        )
        problem = Problem(
            502,
            "enode-unavailable",
            OUTCOME_UNKNOWN_DETAIL if error.is_outcome_unknown else "Enode could not be reached.",
        )
    return await _record_result(runtime, call, command_id, outcome, problem)


def _create_refusal(error: EnodeRefused | EnodeNotFound) -> tuple[CommandOutcome, Problem]:
    words = error.problem.detail or error.problem.title or "Enode gave no reason."
    kind = "NOT_FOUND" if isinstance(error, EnodeNotFound) else "FAILED_PRECONDITION"
    return CommandOutcome.failed(kind, words), Problem(422, "command-refused", words, enode_status=error.problem.status)


def _create_incapable_problem(headers: dict[str, str]) -> Problem:
    words = "This car's current cannot be limited."
    reason = {"type": "FAILED_PRECONDITION", "detail": words}
    return Problem(422, "command-refused", words, headers=headers, reason=reason, command=None)


async def _record_result(
    runtime: Runtime, call: AuthorizedCall, command_id: UUID, outcome: CommandOutcome | None, problem: Problem | None
) -> CommandResult:
    async with runtime.pool.connection() as connection:
        if outcome is not None:
            await record_command_outcome(connection, command_id, outcome)
            if outcome.state == "failed" and problem is not None:
                call = await refund_call(connection, call)
        row = await find_command(connection, call.caller.user_id, FIND_BY_ID, command_id)
    runtime.feed_waker.wake([call.caller.user_id])
    assert row is not None  # noqa: S101 - written above, never deleted while its user exists
    command, headers = render_command_record(row), render_call_headers(call, runtime.plans)
    if problem is not None:
        problem.members |= {"command": command, "reason": command["reason"]}
        problem.headers |= headers
        raise problem
    return CommandResult(command=command, headers=headers)


async def _create_enode_action(
    enode: EnodeClient | None, vehicle: CallVehicle, request: CommandRequest
) -> ChargeAction:
    if enode is None or vehicle.enode_vehicle_id is None:
        raise EnodeUnavailable("POST /vehicles/{}", cause="no way to this car", is_outcome_unknown=False)
    if request.amps is not None:
        return await enode.vehicles.set_max_current(vehicle.enode_vehicle_id, request.amps)
    return await enode.vehicles.control_charging(vehicle.enode_vehicle_id, ActionKind(request.kind))


def _require_vehicle(call: AuthorizedCall) -> CallVehicle:
    assert call.vehicle is not None  # noqa: S101 - authorize raised 404 otherwise
    return call.vehicle


async def find_command(
    connection: Connection, user_id: UUID, statement: LiteralString, value: object
) -> DictRow | None:
    """The user's command: FIND_BY_ID or FIND_BY_KEY."""
    return await fetch_one(connection, statement, [user_id, value], dict_row)
