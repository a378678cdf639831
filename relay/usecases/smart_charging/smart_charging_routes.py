"""Routes of smart charging: change its settings, charge now, and return to the plan."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Annotated, TypedDict

from fastapi import APIRouter, Body
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from relay.gateways.enode import EnodeClient, EnodeError, EnodeNotFound, EnodeRefused
from relay.gateways.enode.smart_charging import SmartChargingPolicy
from relay.identity.credentials import Credential
from relay.kit.problems import Problem
from relay.usecases.calls.authorize import (
    AuthorizedCall,
    CallRequest,
    CallVehicle,
    authorize_call,
    refund_call,
    render_call_headers,
)
from relay.usecases.calls.resolve_credential import CredentialDependency
from relay.usecases.calls.runtime import Runtime, RuntimeDependency
from relay.usecases.smart_charging.charging_location import Home, ensure_location, find_home
from relay.vehicles.capabilities import has_capability

log = logging.getLogger(__name__)

HOME_REQUIRED_DETAIL = (
    "Smart charging needs a home location, because its time and prices are those of the place. "
    "Set one with PUT /api/ha/v2/home."
)
INCAPABLE_DETAIL = "This car doesn't support smart charging."
NO_ENODE_DETAIL = "The relay can't reach this car: Enode isn't set up here, or the car is no longer linked."
UNREACHABLE_DETAIL = "Enode can't be reached, so smart charging may not have changed. Try again in a few minutes."

router = APIRouter(prefix="/api/ha/v2/vehicles/{vehicle_id}/smart-charging")

type TimeOfDay = Annotated[str, Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")]
type TimeZone = Annotated[str, Field(max_length=64, pattern=r"^[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+)*$")]


class SmartChargingRequest(BaseModel):
    """The settings to change. `ready_by` is a time of day in `time_zone`, an IANA name; the level is in percent."""

    enabled: bool | None = None
    ready_by: TimeOfDay | None = None
    minimum_level: Annotated[float, Field(ge=0, le=100, allow_inf_nan=False)] | None = None
    time_zone: TimeZone = "UTC"


class SmartChargingSettingsRecord(TypedDict):
    """The settings after the change; `ready_by` null if none is set."""

    enabled: bool
    ready_by: str | None
    minimum_level: float
    time_zone: str


class OverrideRecord(TypedDict):
    """Whether the vehicle charges now regardless of its plan."""

    active: bool


@router.put("", response_model=None, responses={200: {"model": SmartChargingSettingsRecord}})
async def put_smart_charging(
    vehicle_id: str,
    body: Annotated[SmartChargingRequest, Body(default_factory=SmartChargingRequest)],
    runtime: RuntimeDependency,
    authorization: CredentialDependency,
) -> JSONResponse:
    """Change settings of smart charging; those that are left out stay as they are. One call."""

    async def update(enode: EnodeClient, call: AuthorizedCall, enode_vehicle_id: str) -> SmartChargingSettingsRecord:
        if body.enabled or body.ready_by is not None:
            home = await _require_home(runtime, call)
            await ensure_location(enode, call.caller.user_id, home, body.time_zone)
        changes = {"isEnabled": body.enabled, "deadline": body.ready_by, "minimumChargeLimit": body.minimum_level}
        policy = await enode.smart_charging.update_policy(
            enode_vehicle_id, {key: value for key, value in changes.items() if value is not None}
        )
        return _render_settings(policy, body.time_zone)

    return await _send(runtime, authorization, vehicle_id, update)


@router.post("/override", response_model=None, responses={200: {"model": OverrideRecord}})
async def post_override(
    vehicle_id: str, runtime: RuntimeDependency, authorization: CredentialDependency
) -> JSONResponse:
    """Charge now, until charging ends; then the plan applies again. One call."""

    async def start(enode: EnodeClient, _call: AuthorizedCall, enode_vehicle_id: str) -> OverrideRecord:
        await enode.smart_charging.start_override(enode_vehicle_id)
        return {"active": True}

    return await _send(runtime, authorization, vehicle_id, start)


@router.delete("/override", response_model=None, responses={200: {"model": OverrideRecord}})
async def delete_override(
    vehicle_id: str, runtime: RuntimeDependency, authorization: CredentialDependency
) -> JSONResponse:
    """Return control to the plan. One call. Ending an override that has ended changes nothing."""

    async def end(enode: EnodeClient, _call: AuthorizedCall, enode_vehicle_id: str) -> OverrideRecord:
        try:
            await enode.smart_charging.end_override(enode_vehicle_id)
        except EnodeNotFound:
            log.debug("no override to end")
        return {"active": False}

    return await _send(runtime, authorization, vehicle_id, end)


type Request[Record] = Callable[[EnodeClient, AuthorizedCall, str], Awaitable[Record]]


async def _send[Record](
    runtime: Runtime, credential: Credential | None, vehicle_id: str, request: Request[Record]
) -> JSONResponse:
    """Charge a call and send a request to Enode. A request that fails is refunded.

    Raises Problem as `authorize_call` does, 409 `home-required`, 422 `command-refused` and 502 `enode-unavailable`.
    """
    async with runtime.pool.connection() as connection:
        call_request = CallRequest(scope="control", endpoint="v2/smart-charging", vehicle_id=vehicle_id)
        call = await authorize_call(connection, credential, runtime.plans, call_request)
    # Shielded: if the client disconnects, a failure must still be refunded.
    return await asyncio.shield(_send_charged(runtime, call, request))


async def _send_charged[Record](runtime: Runtime, call: AuthorizedCall, request: Request[Record]) -> JSONResponse:
    try:
        enode, enode_vehicle_id = _require_capable(runtime, call)
        record = await request(enode, call, enode_vehicle_id)
    except (EnodeError, Problem) as error:
        problem = error if isinstance(error, Problem) else _build_problem(error)
        async with runtime.pool.connection() as connection:
            call = await refund_call(connection, call)
        problem.headers |= render_call_headers(call, runtime.plans)
        raise problem from None
    runtime.request_poll()
    return JSONResponse(record, headers=render_call_headers(call, runtime.plans))


def _require_capable(runtime: Runtime, call: AuthorizedCall) -> tuple[EnodeClient, str]:
    vehicle = _require_vehicle(call)
    if runtime.enode is None or vehicle.enode_vehicle_id is None:
        raise Problem(502, "enode-unavailable", NO_ENODE_DETAIL)
    if not has_capability(vehicle.vehicle, "smartCharging"):
        raise _build_refusal(INCAPABLE_DETAIL)
    return runtime.enode, vehicle.enode_vehicle_id


async def _require_home(runtime: Runtime, call: AuthorizedCall) -> Home:
    async with runtime.pool.connection() as connection:
        home = await find_home(connection, call.caller.user_id)
    if home is None:
        raise Problem(409, "home-required", HOME_REQUIRED_DETAIL)
    return home


def _build_problem(error: EnodeError) -> Problem:
    if isinstance(error, EnodeNotFound):
        return Problem(404, "not-found", "Enode no longer has this car. Link it again.")
    if isinstance(error, EnodeRefused):
        return _build_refusal(error.problem.detail or error.problem.title or "Enode gave no reason.")
    log.warning("smart charging not changed error=%r", str(error))
    return Problem(502, "enode-unavailable", UNREACHABLE_DETAIL)


def _build_refusal(detail: str) -> Problem:
    return Problem(
        422, "command-refused", detail, reason={"type": "FAILED_PRECONDITION", "detail": detail}, command=None
    )


def _render_settings(policy: SmartChargingPolicy, time_zone: str) -> SmartChargingSettingsRecord:
    return {
        "enabled": policy.is_enabled,
        "ready_by": policy.deadline,
        "minimum_level": policy.minimum_level,
        "time_zone": time_zone,
    }


def _require_vehicle(call: AuthorizedCall) -> CallVehicle:
    assert call.vehicle is not None  # noqa: S101 - authorize_call raised 404 otherwise
    return call.vehicle
