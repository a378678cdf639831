"""The classic client's charging history: pages by start, syncs by change, and the odometer that a user reads there.

The client asks for its next page by `since` = the last session's `start_time`, and syncs again by `since` = the
greatest `created_at` it was given. So `created_at` is when the session last changed, in microseconds that are never
whole milliseconds, while starts are whole milliseconds: by that the two questions are told apart, and a session that
was amended is found again.
"""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, LiteralString

from fastapi import APIRouter, Query
from psycopg.rows import DictRow, dict_row
from pydantic import BaseModel, Field

from relay.kit.database import fetch_all
from relay.kit.problems import Problem
from relay.kit.timestamps import format_timestamp
from relay.usecases.calls.authorize import authenticate_caller
from relay.usecases.calls.resolve_credential import CredentialDependency
from relay.usecases.calls.runtime import RuntimeDependency
from relay.usecases.charging.list_sessions import MAX_SESSIONS, resolve_vehicle_id
from relay.vehicles.charging.session_records import IS_UNDER_WAY, render_cost_record, round_optional

# A change is dated before it is committed; a client that asks in between must find it the next time.
SYNC_OVERLAP = timedelta(minutes=1)

# A page, and all that began with the last of it: the next one starts after that moment.
LIST_SESSIONS: LiteralString = f"""
select s.*, date_trunc('milliseconds', s.started_at) as began_at, count(*) over () as found
from vehicles v join charging_sessions s on s.vehicle_id = v.id
where v.user_id = %(user_id)s and v.link_state <> 'over_limit' and not {IS_UNDER_WAY}
  and case when %(by_change)s then s.changed_at > %(since)s::timestamptz - %(overlap)s::interval
           else %(since)s::timestamptz is null or date_trunc('milliseconds', s.started_at) > %(since)s end
order by began_at fetch first %(limit)s rows with ties
"""  # noqa: S608 - our own constant
UPDATE_ODOMETER: LiteralString = """
update charging_sessions set user_odometer_km = %(odometer_km)s, changed_at = now(),
    amended_at = case when open then amended_at else now() end
where id = (select id from charging_sessions where vehicle_id = %(vehicle_id)s order by started_at desc, id limit 1)
returning id
"""

router = APIRouter(prefix="/api/ha/charging", tags=["Classic"])


class OdometerRequest(BaseModel):
    """What the odometer shows."""

    odometer_km: Annotated[float, Field(gt=0, le=10_000_000, allow_inf_nan=False)]


@router.get("/sessions", response_model=None)
async def get_charging_sessions(
    runtime: RuntimeDependency,
    authorization: CredentialDependency,
    limit: Annotated[int, Query(ge=1, le=MAX_SESSIONS)] = 50,
    since: Annotated[str | None, Query(max_length=40)] = None,
) -> dict[str, Any]:
    """Ended sessions of all cars, oldest first. Costs nothing."""
    moment = None if since is None else _parse_since(since)
    asked = {
        "since": moment,
        "by_change": moment is not None and moment.microsecond % 1000 != 0,
        "overlap": SYNC_OVERLAP,
        "limit": limit,
    }
    async with runtime.pool.connection() as connection:
        call = await authenticate_caller(connection, authorization, scope="read")
        rows = await fetch_all(connection, LIST_SESSIONS, asked | {"user_id": call.caller.user_id}, dict_row)
    more = bool(rows) and rows[0]["found"] > len(rows)
    return {"sessions": [render_classic_session(row) for row in rows], "has_more": more}


@router.post("/{vehicle_id}/odometer", response_model=None)
async def post_odometer(
    vehicle_id: str, body: OdometerRequest, runtime: RuntimeDependency, authorization: CredentialDependency
) -> dict[str, Any]:
    """Note the odometer with the car's newest session. Costs nothing."""
    async with runtime.pool.connection() as connection:
        call = await authenticate_caller(connection, authorization, scope="control")
        car = await resolve_vehicle_id(connection, call.caller.user_id, vehicle_id)
        noted = await connection.execute(UPDATE_ODOMETER, {"vehicle_id": car, "odometer_km": body.odometer_km})
        row = await noted.fetchone()
    if row is None:
        raise Problem(404, "not-found", "No charging session found for this vehicle")
    return {
        "status": "success",
        "vehicle_id": str(car),
        "odometer_km": body.odometer_km,
        "session_id": str(row[0]),
        "message": "The odometer is noted with the newest charging session.",
    }


def render_classic_session(row: DictRow) -> dict[str, Any]:
    """A session in the classic shape; `vehicle_id` tells the cars of one account apart."""
    cost = render_cost_record(row)
    return {
        "session_id": str(row["id"]),
        "vehicle_id": str(row["vehicle_id"]),
        "start_time": format_timestamp(row["started_at"]),
        "end_time": format_timestamp(row["ended_at"]),
        "energy_added_kwh": round_optional(row["energy_kwh"], 3),
        "total_cost": cost and round(cost["amount"], 2),
        "cost_per_kwh": row["cost_per_kwh"],
        "currency": row["currency"],
        "station_name": None,
        "battery_level_start": row["soc_start"],
        "battery_level_end": row["soc_end"],
        "location_lat": row["latitude"],
        "location_lon": row["longitude"],
        "created_at": _render_changed_at(row["changed_at"]),
    }


def _render_changed_at(changed_at: datetime) -> str:
    return format_timestamp(changed_at).removesuffix("Z") + "001Z"


def _parse_since(text: str) -> datetime:
    """A time as the client gives it back; a `+` that was not escaped in the URL has become a space."""
    try:
        moment = datetime.fromisoformat(text.strip().replace(" ", "+") if "T" in text else text)
    except ValueError:
        raise Problem(422, "invalid-request", "`since` must be a time such as 2026-11-25T12:00:00Z.") from None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
