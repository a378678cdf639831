"""A Home Assistant asks: its account (free) and its cars (one call)."""

from typing import TypedDict

from fastapi import APIRouter, Response

from relay.delivery.messages import Json, Snapshot
from relay.kit.times import wire_time
from relay.metering.allowance import Plans
from relay.metering.planning import Activity
from relay.usecases.authorize import Asked, Call, authenticate, authorize, call_headers
from relay.usecases.plan_polling import activity_of, plan_polling, read_activity
from relay.usecases.present_credential import Authorization
from relay.usecases.read_feed import read_snapshot
from relay.usecases.runtime import RuntimeDependency
from relay.vehicles.records import VehicleRecord

FEATURES = (
    "charging",
    "stream",
    "webhook",
    "sessions",
    "max_current",
    "cancel",
    "refresh",
    "relink",
    "interventions",
)

router = APIRouter(prefix="/api/ha/v2", tags=["Home Assistant"])


class AllowanceRecord(TypedDict):
    """The calls of the month; `limit` null is unlimited. Purchased `call_tokens` are used when these are spent."""

    limit: int | None
    used: int
    resets_at: str
    call_tokens: int


class RelayRecord(TypedDict):
    """Which relay this is, and what it can do."""

    version: str
    features: list[str]


class AccountRecord(TypedDict):
    """The account. `push`: its plan includes the stream. `next_poll_at`: when to ask again without it.

    `language`: which of Enode's languages interventions are told in.
    """

    id: str
    title: str
    plan: str
    push: bool
    language: str
    allowance: AllowanceRecord
    next_poll_at: str | None
    relay: RelayRecord


class SnapshotRecord(TypedDict):
    """Everything at one moment; a car that is absent is gone."""

    at: str
    account: AccountRecord
    vehicles: list[VehicleRecord]


def account_record(call: Call, plans: Plans, version: str, activity: Activity = Activity.PARKED) -> AccountRecord:
    """The account as Home Assistant sees it. What its cars do matters only where it is not told of changes."""
    quota, limit = call.quota, plans.limit(call.caller.plan)
    return {
        "id": str(call.caller.user_id),
        "title": call.caller.title,
        "plan": call.caller.plan,
        "push": call.caller.plan in plans.push,
        "language": call.caller.language,
        "allowance": {
            "limit": limit,
            "used": quota.used,
            "resets_at": wire_time(quota.resets_at),
            "call_tokens": quota.call_tokens,
        },
        "next_poll_at": plan_polling(call, plans, activity),
        "relay": {"version": version, "features": list(FEATURES)},
    }


@router.get("/account", response_model=None, responses={200: {"model": AccountRecord}})
async def get_account(runtime: RuntimeDependency, authorization: Authorization) -> AccountRecord:
    """The account behind the key, its plan and what is left of the month. Costs nothing."""
    async with runtime.pool.connection() as connection:
        call = await authenticate(connection, authorization, scope="read")
        activity = await read_activity(connection, call, runtime.plans)
    return account_record(call, runtime.plans, runtime.version, activity)


@router.get("/vehicles", response_model=None, responses={200: {"model": SnapshotRecord}})
async def get_vehicles(runtime: RuntimeDependency, authorization: Authorization, response: Response) -> Json:
    """All cars of the account as last known. One call. The body is the same as the stream's first message."""
    async with runtime.pool.connection() as connection:
        asked = Asked(scope="read", endpoint="v2/vehicles")
        call = await authorize(connection, authorization, runtime.plans, asked)
        found = await read_snapshot(connection, call.caller.user_id)
    response.headers.update(call_headers(call, runtime.plans))
    account = account_record(call, runtime.plans, runtime.version, activity_of(found.vehicles))
    return Snapshot(at=found.at, account=account, vehicles=found.vehicles).body()
