"""Classic routes of the charging history: list sessions by page, sync changed sessions, and store the odometer.

The client requests its next page with `since` = the last session's `start_time`, and its next sync with `since` = the
greatest `created_at` it received. So that both work with one parameter, `created_at` is the time of the session's last
change, rendered with microseconds that are never whole milliseconds, while start times are whole milliseconds. A value
of `since` with microseconds is therefore a sync, which also returns amended sessions.
"""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal, LiteralString, TypedDict

from fastapi import APIRouter, Query
from psycopg.rows import DictRow, dict_row
from pydantic import BaseModel, Field

from relay.kit.database import fetch_all, fetch_one
from relay.kit.problems import Problem
from relay.kit.timestamps import format_timestamp
from relay.usecases.calls.authorize import authenticate_caller
from relay.usecases.calls.resolve_credential import CredentialDependency
from relay.usecases.calls.runtime import RuntimeDependency
from relay.usecases.charging.list_sessions import MAX_SESSIONS, resolve_vehicle_id
from relay.vehicles.charging.session_records import IS_UNDER_WAY, render_cost_record, round_optional

# `changed_at` is set before the change is committed. A client that syncs in between gets it with the next sync.
SYNC_OVERLAP = timedelta(minutes=1)

# With ties, because the next page starts after the start time of this page's last session.
LIST_SESSIONS: LiteralString = f"""
select s.*, date_trunc('milliseconds', s.started_at) as began_at, count(*) over () as total
from vehicles v join charging_sessions s on s.vehicle_id = v.id
where v.user_id = %(user_id)s and v.link_state <> 'over_limit' and not {IS_UNDER_WAY} and not s.deleted_by_owner
  and s.kind = 'charge'
  and case when %(by_change)s then s.changed_at > %(since)s::timestamptz - %(overlap)s::interval
           else %(since)s::timestamptz is null or date_trunc('milliseconds', s.started_at) > %(since)s end
order by began_at fetch first %(limit)s rows with ties
"""  # noqa: S608 - our own constant
UPDATE_ODOMETER: LiteralString = """
update charging_sessions set user_odometer_km = %(odometer_km)s, changed_at = now(),
    amended_at = case when open then amended_at else now() end
where id = (select id from charging_sessions where vehicle_id = %(vehicle_id)s and not deleted_by_owner
            and kind = 'charge'
            order by started_at desc, id limit 1)
returning id
"""

router = APIRouter(prefix="/api/ha/charging")


class OdometerRequest(BaseModel):
    """The odometer reading in kilometres."""

    odometer_km: Annotated[float, Field(gt=0, le=10_000_000, allow_inf_nan=False)]


class ClassicSessionRecord(TypedDict):
    """A session in the classic format, plus `vehicle_id`, which accounts with several vehicles need."""

    session_id: str
    vehicle_id: str
    start_time: str
    end_time: str
    energy_added_kwh: float | None
    total_cost: float | None
    cost_per_kwh: float | None
    currency: str | None
    station_name: None
    battery_level_start: float | None
    battery_level_end: float | None
    location_lat: float | None
    location_lon: float | None
    created_at: str


class ClassicSessionPage(TypedDict):
    """Sessions, oldest first, and whether there are newer ones."""

    sessions: list[ClassicSessionRecord]
    has_more: bool


class StoredOdometerRecord(TypedDict):
    """The odometer, and the session that it's stored with."""

    status: Literal["success"]
    vehicle_id: str
    odometer_km: float
    session_id: str
    message: str


@router.get("/sessions", response_model=None, responses={200: {"model": ClassicSessionPage}})
async def get_charging_sessions(
    runtime: RuntimeDependency,
    authorization: CredentialDependency,
    limit: Annotated[int, Query(ge=1, le=MAX_SESSIONS)] = 50,
    since: Annotated[str | None, Query(max_length=40)] = None,
) -> ClassicSessionPage:
    """List ended sessions of all vehicles, oldest first. Costs nothing."""
    since_time = None if since is None else _parse_since(since)
    parameters = {
        "since": since_time,
        "by_change": since_time is not None and since_time.microsecond % 1000 != 0,
        "overlap": SYNC_OVERLAP,
        "limit": limit,
    }
    async with runtime.pool.connection() as connection:
        call = await authenticate_caller(connection, authorization, scope="read")
        rows = await fetch_all(connection, LIST_SESSIONS, parameters | {"user_id": call.caller.user_id}, dict_row)
    has_more = bool(rows) and rows[0]["total"] > len(rows)
    return {"sessions": [render_classic_session(row) for row in rows], "has_more": has_more}


@router.post("/{vehicle_id}/odometer", response_model=None, responses={200: {"model": StoredOdometerRecord}})
async def post_odometer(
    vehicle_id: str, body: OdometerRequest, runtime: RuntimeDependency, authorization: CredentialDependency
) -> StoredOdometerRecord:
    """Store the odometer with the vehicle's newest session. Costs nothing."""
    async with runtime.pool.connection() as connection:
        call = await authenticate_caller(connection, authorization, scope="control")
        resolved_id = await resolve_vehicle_id(connection, call.caller.user_id, vehicle_id)
        parameters = {"vehicle_id": resolved_id, "odometer_km": body.odometer_km}
        session = await fetch_one(connection, UPDATE_ODOMETER, parameters, dict_row)
    if session is None:
        raise Problem(404, "not-found", "No charging session found for this vehicle")
    return {
        "status": "success",
        "vehicle_id": str(resolved_id),
        "odometer_km": body.odometer_km,
        "session_id": str(session["id"]),
        "message": "Odometer stored with the newest charging session.",
    }


def render_classic_session(row: DictRow) -> ClassicSessionRecord:
    """Render a session in the classic shape."""
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
    """Parse a time that the client sends back. An unescaped `+` in the URL arrives as a space."""
    try:
        time = datetime.fromisoformat(text.strip().replace(" ", "+") if "T" in text else text)
    except ValueError:
        raise Problem(422, "invalid-request", "`since` must be a time such as 2026-11-25T12:00:00Z.") from None
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time
