"""Charging sessions by vehicle, with what their owner deleted, for web pages."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, LiteralString
from uuid import UUID

from psycopg.rows import DictRow, dict_row

from relay.kit.database import Connection, fetch_all
from relay.usecases.charging.list_sessions import LIST_SESSIONS, START_CURSOR, SessionCursor
from relay.vehicles.charging.periods import SessionKind
from relay.vehicles.charging.session_records import (
    IS_UNDER_WAY,
    CostRecord,
    get_derived_energy_kwh,
    render_cost_record,
)
from relay.vehicles.display_name import get_display_name

MAX_DELETED_SESSIONS = 50
"""Deleted sessions of a vehicle that are listed, newest first."""

# Without vehicles over the plan's limit, as in the API.
LIST_VEHICLES: LiteralString = """
select v.id, v.vehicle_cache || v.corrected as vehicle, v.gone_at is null as is_linked from vehicles v
where v.user_id = %(user_id)s and v.link_state <> 'over_limit'
  and (%(vehicle_id)s::uuid is null or v.id = %(vehicle_id)s)
order by v.gone_at is not null, v.created_at, v.id
"""
LIST_DELETED: LiteralString = f"""
select s.*, {IS_UNDER_WAY} as under_way from charging_sessions s
where s.vehicle_id = %s and s.deleted_by_owner order by s.started_at desc, s.id desc limit %s
"""  # noqa: S608 - our own constant


@dataclass(frozen=True, kw_only=True, slots=True)
class SessionSummary:
    """A session on a web page. `ended_at` is None while it is under way; energy in kWh, None is unknown."""

    id: UUID
    vehicle_id: UUID
    kind: SessionKind
    started_at: datetime
    ended_at: datetime | None
    energy_kwh: float | None
    derived_energy_kwh: float | None
    energy_source: str
    is_estimated: bool
    is_corrected: bool
    is_deleted: bool
    at_home: bool | None
    cost: CostRecord | None


@dataclass(frozen=True, kw_only=True, slots=True)
class VehicleSessions:
    """A page of a vehicle's sessions, newest first, and its deleted ones. `next_before` None: no older ones."""

    vehicle_id: UUID
    name: str
    is_linked: bool
    sessions: list[SessionSummary]
    next_before: str | None
    deleted: list[SessionSummary]


async def list_sessions_by_vehicle(
    connection: Connection, user_id: UUID, *, vehicle_id: UUID | None = None, before: str | None = None, limit: int
) -> list[VehicleSessions]:
    """The sessions of each of the user's vehicles, or of one; unlinked vehicles only if they have any.

    Raises Problem 422 if `before` isn't a `next_before`.
    """
    cursor = START_CURSOR if before is None else SessionCursor.parse(before)
    vehicles = await fetch_all(connection, LIST_VEHICLES, {"user_id": user_id, "vehicle_id": vehicle_id}, dict_row)
    pages = [await _get_page(connection, user_id, vehicle, cursor, limit) for vehicle in vehicles]
    return [page for page in pages if page.is_linked or page.sessions or page.deleted]


def summarize_session(row: Mapping[str, Any]) -> SessionSummary:
    """The session in a row of `charging_sessions` with `under_way`."""
    return SessionSummary(
        id=row["id"],
        vehicle_id=row["vehicle_id"],
        kind=row["kind"],
        started_at=row["started_at"],
        ended_at=None if row["under_way"] else row["ended_at"],
        energy_kwh=row["energy_kwh"],
        derived_energy_kwh=get_derived_energy_kwh(row),
        energy_source=row["energy_source"],
        is_estimated=row["estimated"],
        is_corrected=row["corrected_by_owner"],
        is_deleted=row["deleted_by_owner"],
        at_home=row["at_home"],
        cost=render_cost_record(row),
    )


async def _get_page(
    connection: Connection, user_id: UUID, vehicle: DictRow, cursor: SessionCursor, limit: int
) -> VehicleSessions:
    parameters = {
        "user_id": user_id,
        "vehicle_id": vehicle["id"],
        "before_at": cursor.started_at,
        "before_id": cursor.session_id,
        "limit": limit + 1,
    }
    rows = await fetch_all(connection, LIST_SESSIONS, parameters, dict_row)
    deleted = await fetch_all(connection, LIST_DELETED, [vehicle["id"], MAX_DELETED_SESSIONS], dict_row)
    last = rows[limit - 1] if len(rows) > limit else None
    return VehicleSessions(
        vehicle_id=vehicle["id"],
        name=get_display_name(vehicle["vehicle"]),
        is_linked=vehicle["is_linked"],
        sessions=[summarize_session(row) for row in rows[:limit]],
        next_before=None if last is None else str(SessionCursor(started_at=last["started_at"], session_id=last["id"])),
        deleted=[summarize_session(row) for row in deleted],
    )
