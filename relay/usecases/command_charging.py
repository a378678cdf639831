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
from relay.kit.database import Connection
from relay.kit.problems import Problem
from relay.usecases.authorize import Asked, Call, Car, authenticate, authorize, call_headers, give_back
from relay.usecases.find_car import find_car
from relay.usecases.move_command import Outcome, Step, move_command, outcome_of, tell_step
from relay.usecases.present_credential import Authorization
from relay.usecases.runtime import Runtime, RuntimeDependency
from relay.vehicles.capabilities import is_capable
from relay.vehicles.records import CommandRecord, command_record

log = logging.getLogger(__name__)

CHECK = "check_command"
MAX_CURRENT: Final = "MAX_CURRENT"
# Enode confirms by webhook; these are the bounded checks behind it. Its own time-out is 30 minutes at most vendors.
CHECKS = tuple(timedelta(seconds=seconds) for seconds in (30, 120, 600, 2100))

INSERT: LiteralString = """
insert into commands (user_id, vehicle_id, kind, amps, idempotency_key, credential_id)
values (%s, %s, %s, %s, %s, %s)
on conflict (user_id, idempotency_key) do nothing returning id
"""
FIND_BY_ID: LiteralString = "select * from commands where user_id = %s and id = %s"
FIND_BY_KEY: LiteralString = "select * from commands where user_id = %s and idempotency_key = %s"

UNSURE = "Enode did not answer: the car may or may not do it. The command stays open until it is known."

router = APIRouter(tags=["Home Assistant"])


class Charging(BaseModel):
    """What the car shall do."""

    action: ActionKind


class MaxCurrent(BaseModel):
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
    body: Charging,
    runtime: RuntimeDependency,
    authorization: Authorization,
    idempotency_key: IdempotencyKey = None,
) -> JSONResponse:
    """Ask the car. The answer is the command as far as it got; its outcome comes by stream or `commands/{id}`."""
    wish = Wish(vehicle_id=vehicle_id, kind=body.action, endpoint="v2/charging", idempotency_key=idempotency_key)
    done = await command_car(runtime, authorization, wish)
    return JSONResponse(done.command, 202, headers=done.headers)


@router.post(
    "/api/ha/v2/vehicles/{vehicle_id}/max-current",
    status_code=202,
    response_model=None,
    responses={202: {"model": CommandRecord}},
)
async def post_max_current(
    vehicle_id: str,
    body: MaxCurrent,
    runtime: RuntimeDependency,
    authorization: Authorization,
    idempotency_key: IdempotencyKey = None,
) -> JSONResponse:
    """Limit the current that the car draws. Only for cars whose `capabilities.setMaxCurrent` says that they can."""
    wish = Wish(
        vehicle_id=vehicle_id,
        kind=MAX_CURRENT,
        amps=body.amps,
        endpoint="v2/max-current",
        idempotency_key=idempotency_key,
    )
    done = await command_car(runtime, authorization, wish)
    return JSONResponse(done.command, 202, headers=done.headers)


@dataclass(frozen=True, kw_only=True, slots=True)
class Wish:
    """What is asked of which car, under which key, by which route."""

    vehicle_id: str
    kind: ActionKind | Literal["MAX_CURRENT"]
    endpoint: str
    # What MAX_CURRENT asks for.
    amps: float | None = None
    idempotency_key: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Commanded:
    """The command as far as it got, and what its answer says of the month in its header fields."""

    command: CommandRecord
    headers: dict[str, str]


async def command_car(runtime: Runtime, authorization: Credential | None, wish: Wish) -> Commanded:
    """Ask the car of this caller; the command as far as it got.

    Raises Problem as `authorize` does, 422 `command-refused` (`enode_status`: how Enode said no), 502 when Enode does
    not answer.
    """
    asked = Asked(scope="control", endpoint=wish.endpoint, vehicle=wish.vehicle_id)
    async with runtime.pool.connection() as connection:
        try:
            call = await authorize(connection, authorization, runtime.plans, asked)
        except Problem as problem:
            return await _told_again(connection, runtime, authorization, wish, problem)
        if wish.kind == MAX_CURRENT and not is_capable(_car(call).vehicle, "setMaxCurrent"):
            raise _incapable(call_headers(await give_back(connection, call), runtime.plans))
        command_id = await _open(connection, runtime, call, wish)
        if command_id is None:  # the same request again: its call is given back, the car is not asked twice
            call = await give_back(connection, call)
            row = await find_command(connection, call.caller.user_id, FIND_BY_KEY, wish.idempotency_key)
            return _same(row, call, wish, call_headers(call, runtime.plans))
    # Shielded: who hangs up must not leave a command that Enode has and we do not know of.
    return await asyncio.shield(_ask_enode(runtime, call, command_id, wish))


async def _told_again(
    connection: Connection, runtime: Runtime, authorization: Credential | None, wish: Wish, problem: Problem
) -> Commanded:
    """The command of the same request before, which may have taken the last call. Else raises `problem`."""
    if problem.slug != "quota-exhausted" or wish.idempotency_key is None:
        raise problem
    call = await authenticate(connection, authorization, scope="control")
    row = await find_command(connection, call.caller.user_id, FIND_BY_KEY, wish.idempotency_key)
    if row is None:
        raise problem
    call = replace(call, car=await find_car(connection, call.caller.user_id, wish.vehicle_id))
    return _same(row, call, wish, call_headers(call, runtime.plans))


def _same(row: DictRow | None, call: Call, wish: Wish, headers: dict[str, str]) -> Commanded:
    asked = (_car(call).vehicle_id, wish.kind, wish.amps)
    if row is None or (row["vehicle_id"], row["kind"], row["amps"]) != asked:
        words = "This Idempotency-Key was used for another command."
        raise Problem(422, "invalid-request", words, headers=headers)
    return Commanded(command=command_record(row), headers=headers)


async def _open(connection: Connection, runtime: Runtime, call: Call, wish: Wish) -> UUID | None:
    """Write the command and its first check in one transaction; None when the key was used before."""
    async with connection.transaction():
        cursor = await connection.execute(
            INSERT,
            [
                call.caller.user_id,
                _car(call).vehicle_id,
                wish.kind,
                wish.amps,
                wish.idempotency_key,
                call.caller.credential_id,
            ],
        )
        row = await cursor.fetchone()
        if row is None:
            return None
        command_id = UUID(str(row[0]))
        await tell_step(connection, Step(user_id=call.caller.user_id, vehicle_id=_car(call).vehicle_id))
        await runtime.jobs.defer(CHECK, after=CHECKS[0], connection=connection, command_id=str(command_id), number=0)
    return command_id


async def _ask_enode(runtime: Runtime, call: Call, command_id: UUID, wish: Wish) -> Commanded:
    outcome, problem = None, None
    try:
        outcome = outcome_of(await _send(runtime.enode, _car(call), wish))
    except (EnodeRefused, EnodeNotFound) as error:
        outcome, problem = _refused(error)
    except EnodeError as error:
        log.warning("a command did not get through: %s", error)
        # Sent and unanswered is neither done nor failed: it stays open until Enode tells, or a check finds out.
        outcome = None if error.sent else Outcome.failed("UNAVAILABLE", "Enode could not be reached.")
        problem = Problem(502, "enode-unavailable", UNSURE if error.sent else "Enode could not be reached.")
    return await _settle(runtime, call, command_id, outcome, problem)


def _refused(error: EnodeRefused | EnodeNotFound) -> tuple[Outcome, Problem]:
    words = error.problem.detail or error.problem.title or "Enode gave no reason."
    kind = "NOT_FOUND" if isinstance(error, EnodeNotFound) else "FAILED_PRECONDITION"
    return Outcome.failed(kind, words), Problem(422, "command-refused", words, enode_status=error.problem.status)


def _incapable(headers: dict[str, str]) -> Problem:
    words = "This car's current cannot be limited."
    reason = {"type": "FAILED_PRECONDITION", "detail": words}
    return Problem(422, "command-refused", words, headers=headers, reason=reason, command=None)


async def _settle(
    runtime: Runtime, call: Call, command_id: UUID, outcome: Outcome | None, problem: Problem | None
) -> Commanded:
    async with runtime.pool.connection() as connection:
        if outcome is not None:
            await move_command(connection, command_id, outcome)
            if outcome.state == "failed" and problem is not None:
                call = await give_back(connection, call)
        row = await find_command(connection, call.caller.user_id, FIND_BY_ID, command_id)
    runtime.feed_waker.wake([call.caller.user_id])
    assert row is not None  # noqa: S101 - written above, never deleted while its user exists
    command, headers = command_record(row), call_headers(call, runtime.plans)
    if problem is not None:
        problem.members |= {"command": command, "reason": command["reason"]}
        problem.headers |= headers
        raise problem
    return Commanded(command=command, headers=headers)


async def _send(enode: EnodeClient | None, car: Car, wish: Wish) -> ChargeAction:
    if enode is None or car.enode_vehicle_id is None:
        raise EnodeUnavailable("POST /vehicles/{}", cause="no way to this car", sent=False)
    if wish.amps is not None:
        return await enode.vehicles.set_max_current(car.enode_vehicle_id, wish.amps)
    return await enode.vehicles.charge(car.enode_vehicle_id, ActionKind(wish.kind))


def _car(call: Call) -> Car:
    assert call.car is not None  # noqa: S101 - authorize raised 404 otherwise
    return call.car


async def find_command(connection: Connection, user_id: UUID, by: LiteralString, value: object) -> DictRow | None:
    """The user's command: FIND_BY_ID or FIND_BY_KEY."""
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(by, [user_id, value])
        return await cursor.fetchone()
