"""A classic client asks: who it is (free), which cars there are (free), and how one of them is (one call)."""

from typing import Any

from fastapi import APIRouter
from fastapi.responses import JSONResponse
from psycopg.rows import dict_row

from relay.identity.credentials import Credential
from relay.identity.models import Caller
from relay.kit.database import Connection
from relay.usecases.answer_in_classic_words import ClassicRoute
from relay.usecases.authorize import Asked, Car, authenticate, authorize, call_headers
from relay.usecases.present_credential import Authorization
from relay.usecases.read_feed import read_snapshot
from relay.usecases.runtime import Runtime, RuntimeDependency
from relay.vehicles.classic_records import ha_status_record, ha_vehicle_record, listed_vehicle, status_record
from relay.vehicles.records import VehicleRecord

ONLINE: dict[bool | None, str] = {True: "green", False: "red", None: "grey"}

router = APIRouter(prefix="/api", tags=["Classic"], route_class=ClassicRoute)


@router.get("/status/{vehicle_id}", response_model=None)
async def get_status(vehicle_id: str, runtime: RuntimeDependency, authorization: Authorization) -> JSONResponse:
    """One car as last known, as the classic client polls it. One call, one statement."""
    car, headers = await _car(runtime, authorization, vehicle_id, endpoint="status")
    # It is JSON already: the framework would go through it once more.
    return JSONResponse(status_record(car.vehicle), headers=headers)


@router.get("/ha/status/{vehicle_id}", response_model=None)
async def get_ha_status(vehicle_id: str, runtime: RuntimeDependency, authorization: Authorization) -> JSONResponse:
    """The same for REST users, with what the car can do. One call, one statement."""
    car, headers = await _car(runtime, authorization, vehicle_id, endpoint="ha/status")
    return JSONResponse(ha_status_record(car.vehicle), headers=headers)


@router.get("/user/vehicles", response_model=None)
async def get_vehicles(runtime: RuntimeDependency, authorization: Authorization) -> list[dict[str, Any]]:
    """All cars as Enode describes them, with our own id as `db_id`. Costs nothing."""
    return [listed_vehicle(it["id"], it["vehicle"]) for it in await _cars(runtime, authorization)]


@router.get("/ha/vehicles", response_model=None)
async def get_ha_vehicles(runtime: RuntimeDependency, authorization: Authorization) -> list[dict[str, Any]]:
    """All cars in the shape of a status, under our ids. Costs nothing."""
    return [ha_vehicle_record(it["id"], it["vehicle"]) for it in await _cars(runtime, authorization)]


@router.get("/me", response_model=None)
async def get_me(runtime: RuntimeDependency, authorization: Authorization) -> dict[str, Any]:
    """The account in the classic shape. Costs nothing. What this relay does not sell yet is none or zero."""
    async with runtime.pool.connection() as connection:
        call = await authenticate(connection, authorization, scope="read")
        caller = call.caller
        runtime.bursts.take(caller.holder)
        row = await _role_and_cars(connection, caller)
    return {
        "id": str(caller.user_id),
        "email": caller.email,
        "name": caller.name,
        "role": row["role"],
        "tier": caller.plan,
        "is_approved": row["is_approved"],
        "accepted_terms": row["accepted_terms"],
        "online_status": ONLINE[row["online"]],
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


@router.get("/ha/me", response_model=None)
async def get_ha_me(runtime: RuntimeDependency, authorization: Authorization) -> dict[str, Any]:
    """The least of it. Costs nothing."""
    async with runtime.pool.connection() as connection:
        caller = (await authenticate(connection, authorization, scope="read")).caller
    return {"user_id": str(caller.user_id), "tier": caller.plan, "name": caller.name, "sms_credits": 0}


async def _car(
    runtime: Runtime, authorization: Credential | None, vehicle_id: str, *, endpoint: str
) -> tuple[Car, dict[str, str]]:
    """The car, and what the answer says of the month in its header fields."""
    asked = Asked(scope="read", endpoint=endpoint, vehicle=vehicle_id)
    async with runtime.pool.connection() as connection:
        call = await authorize(connection, authorization, runtime.plans, asked)
    assert call.car is not None  # noqa: S101 - authorize raised 404 otherwise
    return call.car, call_headers(call, runtime.plans)


async def _cars(runtime: Runtime, authorization: Credential | None) -> list[VehicleRecord]:
    """Those that are served: a car beyond the plan's limit is not."""
    async with runtime.pool.connection() as connection:
        call = await authenticate(connection, authorization, scope="read")
        runtime.bursts.take(call.caller.holder)
        found = await read_snapshot(connection, call.caller.user_id)
    served = [it for it in found.vehicles if it["link"]["state"] != "over_limit"]
    return sorted(served, key=lambda it: it["id"])  # not by what was last heard of: a list to choose from stands still


async def _role_and_cars(connection: Connection, caller: Caller) -> dict[str, Any]:
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(
            """
            select u.role, bool_or(v.online) as online, u.approved_at is not null as is_approved,
                   u.accepted_terms_at is not null as accepted_terms
            from users u left join vehicles v on v.user_id = u.id and v.gone_at is null
            where u.id = %s group by u.id
            """,
            [caller.user_id],
        )
        row = await cursor.fetchone()
    assert row is not None  # noqa: S101 - the caller was found a moment ago, and users keep their rows
    return row
