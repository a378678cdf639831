"""Send a command to a vehicle: store it, pass it to Enode, and return it as far as it got.

The row is written first, so that no command is lost. A command is never sent twice, and it is reported as done only
once Enode has confirmed it.
"""

import asyncio
import logging
from dataclasses import dataclass, replace
from typing import Final, Literal
from uuid import UUID

from psycopg.rows import DictRow

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
from relay.kit.database import Connection
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
from relay.usecases.calls.runtime import Runtime
from relay.usecases.commands.check_outcome import CHECK_COMMAND_JOB, CHECK_DELAYS
from relay.usecases.commands.repository import NewCommand, find_command_by_id, find_command_by_key, insert_command
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

MAX_CURRENT: Final = "MAX_CURRENT"

UNREACHABLE_DETAIL = "Enode could not be reached, so the command was not sent. Try again in a few minutes."
OUTCOME_UNKNOWN_DETAIL = (
    "Enode did not answer, so the car may or may not carry out the command. "
    "The command stays open until its outcome is known; check it before you send another."
)


@dataclass(frozen=True, kw_only=True, slots=True)
class CommandRequest:
    """A request to send a command. `endpoint` is the short name of its route, for metering."""

    vehicle_id: str
    kind: ActionKind | Literal["MAX_CURRENT"]
    endpoint: str
    # The limit that MAX_CURRENT sets.
    amps: float | None = None
    idempotency_key: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class CommandResult:
    """The command as far as it got, and the `RateLimit` header fields of the answer."""

    command: CommandRecord
    headers: dict[str, str]


async def send_command(runtime: Runtime, credential: Credential | None, request: CommandRequest) -> CommandResult:
    """Send a command to a vehicle of the caller and return it as far as it got.

    A repeated request with the same idempotency key returns the first one's command and costs nothing. Raises Problem
    as `authorize_call` does, 422 `command-refused` (with Enode's status as `enode_status`), and 502 when Enode does not
    answer.
    """
    async with runtime.pool.connection() as connection:
        # One transaction, so that a process that dies in it has charged nothing. A problem is raised after its commit.
        async with connection.transaction():
            stored = await _charge_and_insert(connection, runtime, credential, request)
        if isinstance(stored, Problem):
            return await _get_repeated_command(connection, runtime, credential, request, stored)
        call, command_id = stored
        if command_id is None:
            row = await find_command_by_key(connection, call.caller.user_id, request.idempotency_key)
            return _build_repeated_result(row, call, request, render_call_headers(call, runtime.plans))
    # Shielded: if the client disconnects, the answer of Enode must still be stored.
    return await asyncio.shield(_send_to_enode(runtime, call, command_id, request))


async def _charge_and_insert(
    connection: Connection, runtime: Runtime, credential: Credential | None, request: CommandRequest
) -> tuple[AuthorizedCall, UUID | None] | Problem:
    """Charge the call and insert the command; the id is None, and nothing charged, when the key was used before.

    Returns a problem instead of raising it, because an exception would also undo that the credential was used.
    """
    call_request = CallRequest(scope="control", endpoint=request.endpoint, vehicle_id=request.vehicle_id)
    try:
        call = await authorize_call(connection, credential, runtime.plans, call_request)
    except Problem as problem:
        return problem
    if request.kind == MAX_CURRENT and not has_capability(_require_vehicle(call).vehicle, "setMaxCurrent"):
        return _create_incapable_problem(render_call_headers(await refund_call(connection, call), runtime.plans))
    command_id = await _insert_command(connection, runtime, call, request)
    return (call if command_id else await refund_call(connection, call)), command_id


async def _get_repeated_command(
    connection: Connection, runtime: Runtime, credential: Credential | None, request: CommandRequest, problem: Problem
) -> CommandResult:
    """Return the command of an earlier identical request, which may have used the last call. Else raise `problem`."""
    if problem.slug != "quota-exhausted" or request.idempotency_key is None:
        raise problem
    call = await authenticate_caller(connection, credential, scope="control")
    row = await find_command_by_key(connection, call.caller.user_id, request.idempotency_key)
    if row is None:
        raise problem
    call = replace(call, vehicle=await get_call_vehicle(connection, call.caller.user_id, request.vehicle_id))
    return _build_repeated_result(row, call, request, render_call_headers(call, runtime.plans))


def _build_repeated_result(
    row: DictRow | None, call: AuthorizedCall, request: CommandRequest, headers: dict[str, str]
) -> CommandResult:
    requested = (_require_vehicle(call).vehicle_id, request.kind, request.amps)
    if row is None or (row["vehicle_id"], row["kind"], row["amps"]) != requested:
        detail = "This Idempotency-Key was used for another command. Use a new key for each command."
        raise Problem(422, "invalid-request", detail, headers=headers)
    return CommandResult(command=render_command_record(row), headers=headers)


async def _insert_command(
    connection: Connection, runtime: Runtime, call: AuthorizedCall, request: CommandRequest
) -> UUID | None:
    """Insert the command and its first check; None when the idempotency key was used before. Within a transaction."""
    vehicle_id = _require_vehicle(call).vehicle_id
    command = NewCommand(
        vehicle_id=vehicle_id, kind=request.kind, amps=request.amps, idempotency_key=request.idempotency_key
    )
    command_id = await insert_command(connection, call.caller, command)
    if command_id is None:
        return None
    await publish_command_progress(connection, CommandProgress(user_id=call.caller.user_id, vehicle_id=vehicle_id))
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
        log.warning("command not sent command=%s error=%r", command_id, str(error))
        outcome, problem = _create_failure(error)
    return await _record_result(runtime, call, command_id, outcome, problem)


async def _create_enode_action(
    enode: EnodeClient | None, vehicle: CallVehicle, request: CommandRequest
) -> ChargeAction:
    if enode is None or vehicle.enode_vehicle_id is None:
        cause = "Enode is not configured, or the vehicle has no current link"
        raise EnodeUnavailable("POST /vehicles/{}", cause=cause, is_outcome_unknown=False)
    if request.amps is not None:
        return await enode.vehicles.set_max_current(vehicle.enode_vehicle_id, request.amps)
    return await enode.vehicles.control_charging(vehicle.enode_vehicle_id, ActionKind(request.kind))


async def _record_result(
    runtime: Runtime, call: AuthorizedCall, command_id: UUID, outcome: CommandOutcome | None, problem: Problem | None
) -> CommandResult:
    async with runtime.pool.connection() as connection:
        if outcome is not None:
            # One transaction, so that a refused command isn't stored without its refund. In the order in which the call
            # was charged and the command inserted: first the counters of the user's calls are locked, then the feed.
            async with connection.transaction():
                if outcome.is_refusal:
                    call = await refund_call(connection, call)
                await record_command_outcome(connection, command_id, outcome)
        row = await find_command_by_id(connection, call.caller.user_id, command_id)
    runtime.feed_waker.wake([call.caller.user_id])
    assert row is not None  # noqa: S101 - inserted above; commands are deleted only with their user
    command, headers = render_command_record(row), render_call_headers(call, runtime.plans)
    if problem is not None:
        problem.members |= {"command": command, "reason": command["reason"]}
        problem.headers |= headers
        raise problem
    return CommandResult(command=command, headers=headers)


def _create_refusal(error: EnodeRefused | EnodeNotFound) -> tuple[CommandOutcome, Problem]:
    detail = error.problem.detail or error.problem.title or "Enode gave no reason."
    kind = "NOT_FOUND" if isinstance(error, EnodeNotFound) else "FAILED_PRECONDITION"
    problem = Problem(422, "command-refused", detail, enode_status=error.problem.status)
    return CommandOutcome.failed(kind, detail), problem


def _create_failure(error: EnodeError) -> tuple[CommandOutcome | None, Problem]:
    if error.is_outcome_unknown:
        # Sent but not answered: the command stays open until the webhook or a check settles it.
        return None, Problem(502, "enode-unavailable", OUTCOME_UNKNOWN_DETAIL)
    outcome = CommandOutcome.failed("UNAVAILABLE", "Enode could not be reached.")
    return outcome, Problem(502, "enode-unavailable", UNREACHABLE_DETAIL)


def _create_incapable_problem(headers: dict[str, str]) -> Problem:
    detail = "This car doesn't support limiting its charging current."
    reason = {"type": "FAILED_PRECONDITION", "detail": detail}
    return Problem(422, "command-refused", detail, headers=headers, reason=reason, command=None)


def _require_vehicle(call: AuthorizedCall) -> CallVehicle:
    assert call.vehicle is not None  # noqa: S101 - authorize_call raised 404 otherwise
    return call.vehicle
