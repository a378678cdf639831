"""Classic routes to start and stop charging: they send the same command as v2 and answer in the classic shape."""

from typing import Any, Literal, LiteralString, TypedDict

from fastapi import APIRouter, Response
from psycopg.rows import DictRow, dict_row

from relay.gateways.enode import ActionKind
from relay.identity.credentials import Credential
from relay.kit.database import fetch_one
from relay.kit.problem_responses import PROBLEM_CONTENT_TYPE, PROBLEM_SCHEMA
from relay.kit.problems import Problem
from relay.kit.timestamps import format_timestamp
from relay.usecases.calls.resolve_credential import CredentialDependency
from relay.usecases.calls.runtime import Runtime, RuntimeDependency
from relay.usecases.classic.problem_details import ClassicRoute
from relay.usecases.commands.command_routes import ChargingRequest
from relay.usecases.commands.send_command import CommandRequest, CommandResult, send_command
from relay.vehicles.lookup import CURRENT_ENODE_ID

FIND_COMMAND: LiteralString = f"""
select c.*, {CURRENT_ENODE_ID} as target_id from commands c join vehicles v on v.id = c.vehicle_id where c.id = %s
"""  # noqa: S608 - our own constants

REFUSED_STATES = frozenset({"failed", "cancelled"})

router = APIRouter(prefix="/api", route_class=ClassicRoute)


class EnodeActionRecord(TypedDict):
    """A command in the shape of Enode's action."""

    id: str | None
    userId: str
    targetId: str | None
    targetType: Literal["vehicle"]
    kind: str
    state: str
    createdAt: str
    updatedAt: str
    completedAt: str | None
    failureReason: Any


class ClassicCommandRecord(TypedDict):
    """A command that Enode accepted."""

    status: Literal["success"]
    vehicle_id: str
    enode_vehicle_id: str | None
    action: ActionKind
    enode_response: EnodeActionRecord


COMMAND_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {"model": ClassicCommandRecord},
    "4XX": {
        "description": "`command-refused`: Enode refuses the command. The status and `detail` are Enode's own.",
        "content": {PROBLEM_CONTENT_TYPE: {"schema": PROBLEM_SCHEMA}},
    },
}


@router.post("/charging/{vehicle_id}", response_model=None, responses=COMMAND_RESPONSES)
async def post_charging(
    vehicle_id: str,
    body: ChargingRequest,
    runtime: RuntimeDependency,
    authorization: CredentialDependency,
    response: Response,
) -> ClassicCommandRecord:
    """Start or stop charging, at the address that the classic client uses. One call."""
    return await _send_command(runtime, authorization, vehicle_id, body, response)


@router.post("/ha/charging/{vehicle_id}", response_model=None, responses=COMMAND_RESPONSES)
async def post_ha_charging(
    vehicle_id: str,
    body: ChargingRequest,
    runtime: RuntimeDependency,
    authorization: CredentialDependency,
    response: Response,
) -> ClassicCommandRecord:
    """Start or stop charging, at the other address of the classic service. One call."""
    return await _send_command(runtime, authorization, vehicle_id, body, response)


async def _send_command(
    runtime: Runtime, credential: Credential | None, vehicle_id: str, body: ChargingRequest, response: Response
) -> ClassicCommandRecord:
    request = CommandRequest(vehicle_id=vehicle_id, kind=body.action, endpoint="ha/charging")
    try:
        result = await send_command(runtime, credential, request)
    except Problem as problem:
        # The classic service passed on Enode's own status and text of a refusal.
        problem.status = problem.members.get("enode_status", problem.status)
        raise
    command = result.command
    response.headers.update(result.headers)
    async with runtime.pool.connection() as connection:
        row = await fetch_one(connection, FIND_COMMAND, [command["id"]], dict_row)
    assert row is not None  # noqa: S101 - just inserted; commands are deleted only with their user
    if command["state"] in REFUSED_STATES:
        raise _create_refusal_problem(result, row)
    return {
        "status": "success",
        "vehicle_id": command["vehicle_id"],
        "enode_vehicle_id": row["target_id"],
        "action": body.action,
        "enode_response": render_enode_action(row),
    }


def _create_refusal_problem(result: CommandResult, row: DictRow) -> Problem:
    """The problem of a command that Enode accepted with 200, but as an action that has already ended without effect.

    Enode does so when a condition isn't met that may still change, for example when the vehicle isn't plugged in.
    Classic clients take every 200 for success.
    """
    reason = result.command["reason"]
    detail = (reason and reason["detail"]) or "Enode gave no reason."
    members = {"command": result.command, "reason": reason, "enode_response": render_enode_action(row)}
    return Problem(422, "command-refused", detail, headers=result.headers, **members)


def render_enode_action(row: DictRow) -> EnodeActionRecord:
    """Render a command in the shape of Enode's action, as far as it is stored. `row` is a row of FIND_COMMAND."""
    settled_at = row["settled_at"]
    return {
        "id": row["enode_action_id"],
        "userId": str(row["user_id"]),
        "targetId": row["target_id"],
        "targetType": "vehicle",
        "kind": row["kind"],
        "state": "PENDING" if settled_at is None else row["state"].upper(),
        "createdAt": format_timestamp(row["requested_at"]),
        "updatedAt": format_timestamp(settled_at or row["requested_at"]),
        "completedAt": None if settled_at is None else format_timestamp(settled_at),
        "failureReason": row["reason"],
    }
