"""Classic routes of the account (free), the vehicles (free) and one vehicle's status (one call)."""

from typing import Any, LiteralString, TypedDict

from fastapi import APIRouter
from fastapi.responses import JSONResponse
from psycopg.rows import dict_row

from relay.identity.credentials import Credential
from relay.identity.models import Caller
from relay.kit.database import Connection, fetch_one
from relay.kit.json_object import JsonObject
from relay.usecases.calls.authorize import (
    CallRequest,
    CallVehicle,
    authenticate_caller,
    authorize_call,
    render_call_headers,
)
from relay.usecases.calls.resolve_credential import CredentialDependency
from relay.usecases.calls.runtime import Runtime, RuntimeDependency
from relay.usecases.classic.problem_details import ClassicRoute
from relay.usecases.feed.reader import read_snapshot
from relay.vehicles.classic_records import (
    ClassicStatusRecord,
    HaStatusRecord,
    HaVehicleRecord,
    ListedVehicleRecord,
    render_ha_status,
    render_ha_vehicle,
    render_listed_vehicle,
    render_status,
)
from relay.vehicles.lookup import IS_SERVED
from relay.vehicles.records import VehicleRecord

ONLINE_STATUS_COLORS: dict[bool | None, str] = {True: "green", False: "red", None: "grey"}

GET_ACCOUNT: LiteralString = f"""
select u.role, bool_or(v.online) as online, u.approved_at is not null as is_approved,
       u.accepted_terms_at is not null as accepted_terms
from users u left join vehicles v on v.user_id = u.id and {IS_SERVED}
where u.id = %s group by u.id
"""  # noqa: S608 - our own constant

router = APIRouter(prefix="/api", route_class=ClassicRoute)


class ClassicAccountRecord(TypedDict):
    """The account in the classic format. Members of features that the relay lacks are null, false or zero."""

    id: str
    email: str | None
    name: str | None
    role: str
    tier: str
    is_approved: bool
    accepted_terms: bool
    online_status: str
    notify_offline: bool
    notification_preferences: JsonObject
    phone_number: None
    phone_verified: bool
    sms_credits: int
    purchased_api_tokens: int
    stripe_customer_id: None
    is_subscribed: bool
    is_on_trial: bool
    trial_ends_at: None


class ClassicShortAccountRecord(TypedDict):
    """The account's id, plan and name."""

    user_id: str
    tier: str
    name: str | None
    sms_credits: int


@router.get("/status/{vehicle_id}", response_model=None, responses={200: {"model": ClassicStatusRecord}})
async def get_status(vehicle_id: str, runtime: RuntimeDependency, authorization: CredentialDependency) -> JSONResponse:
    """Return a vehicle's last known state, as classic clients poll it. One call, one statement."""
    vehicle, headers = await _authorize_vehicle(runtime, authorization, vehicle_id, endpoint="status")
    # A JSONResponse, because FastAPI would otherwise convert the whole object once more.
    return JSONResponse(render_status(vehicle.vehicle), headers=headers)


@router.get("/ha/status/{vehicle_id}", response_model=None, responses={200: {"model": HaStatusRecord}})
async def get_ha_status(
    vehicle_id: str, runtime: RuntimeDependency, authorization: CredentialDependency
) -> JSONResponse:
    """Return a vehicle's last known state for REST users, with its capabilities. One call, one statement."""
    vehicle, headers = await _authorize_vehicle(runtime, authorization, vehicle_id, endpoint="ha/status")
    return JSONResponse(render_ha_status(vehicle.vehicle), headers=headers)


@router.get("/user/vehicles", response_model=None, responses={200: {"model": list[ListedVehicleRecord]}})
async def get_vehicles(runtime: RuntimeDependency, authorization: CredentialDependency) -> list[dict[str, Any]]:
    """List all vehicles in Enode's shape, with our own id as `db_id`. Costs nothing."""
    return [
        render_listed_vehicle(record["id"], record["vehicle"])
        for record in await _list_served_vehicles(runtime, authorization)
    ]


@router.get("/ha/vehicles", response_model=None, responses={200: {"model": list[HaVehicleRecord]}})
async def get_ha_vehicles(runtime: RuntimeDependency, authorization: CredentialDependency) -> list[dict[str, Any]]:
    """List all vehicles in the shape of a status, with our own ids. Costs nothing."""
    return [
        render_ha_vehicle(record["id"], record["vehicle"])
        for record in await _list_served_vehicles(runtime, authorization)
    ]


@router.get("/me", response_model=None, responses={200: {"model": ClassicAccountRecord}})
async def get_me(runtime: RuntimeDependency, authorization: CredentialDependency) -> ClassicAccountRecord:
    """Return the account in the classic shape. Features that the relay lacks are null or zero. Costs nothing."""
    async with runtime.pool.connection() as connection:
        call = await authenticate_caller(connection, authorization, scope="read")
        caller = call.caller
        runtime.rate_limiter.check(caller.rate_limit_key)
        row = await _fetch_account_row(connection, caller)
    return {
        "id": str(caller.user_id),
        "email": caller.email,
        "name": caller.name,
        "role": row["role"],
        "tier": caller.plan,
        "is_approved": row["is_approved"],
        "accepted_terms": row["accepted_terms"],
        "online_status": ONLINE_STATUS_COLORS[row["online"]],
        "notify_offline": False,
        "notification_preferences": {},
        "phone_number": None,
        "phone_verified": False,
        "sms_credits": 0,
        "purchased_api_tokens": call.quota.call_tokens,
        "stripe_customer_id": None,
        "is_subscribed": False,
        "is_on_trial": False,
        "trial_ends_at": None,
    }


@router.get("/ha/me", response_model=None, responses={200: {"model": ClassicShortAccountRecord}})
async def get_ha_me(runtime: RuntimeDependency, authorization: CredentialDependency) -> ClassicShortAccountRecord:
    """Return the account's id, plan and name. Costs nothing."""
    async with runtime.pool.connection() as connection:
        caller = (await authenticate_caller(connection, authorization, scope="read")).caller
    return {"user_id": str(caller.user_id), "tier": caller.plan, "name": caller.name, "sms_credits": 0}


async def _authorize_vehicle(
    runtime: Runtime, credential: Credential | None, vehicle_id: str, *, endpoint: str
) -> tuple[CallVehicle, dict[str, str]]:
    """Charge one call; return the vehicle and the `RateLimit` header fields of the answer."""
    request = CallRequest(scope="read", endpoint=endpoint, vehicle_id=vehicle_id)
    async with runtime.pool.connection() as connection:
        call = await authorize_call(connection, credential, runtime.plans, request)
    assert call.vehicle is not None  # noqa: S101 - authorize_call raised 404 otherwise
    return call.vehicle, render_call_headers(call, runtime.plans)


async def _list_served_vehicles(runtime: Runtime, credential: Credential | None) -> list[VehicleRecord]:
    """List the vehicles within the plan's limit."""
    async with runtime.pool.connection() as connection:
        call = await authenticate_caller(connection, credential, scope="read")
        runtime.rate_limiter.check(call.caller.rate_limit_key)
        snapshot = await read_snapshot(connection, call.caller.user_id)
    served = [record for record in snapshot.vehicles if record["link"]["state"] != "over_limit"]
    return sorted(served, key=lambda record: record["id"])  # a stable order, because users choose from this list


async def _fetch_account_row(connection: Connection, caller: Caller) -> dict[str, Any]:
    row = await fetch_one(connection, GET_ACCOUNT, [caller.user_id], dict_row)
    assert row is not None  # noqa: S101 - the caller was just authenticated
    return row
