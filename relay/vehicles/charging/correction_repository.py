"""Read and write corrections of charging sessions by their owner. Callers that write hold the lock on the feed."""

from collections.abc import Iterable
from dataclasses import asdict, replace
from typing import LiteralString
from uuid import UUID

from psycopg.rows import DictRow, class_row, dict_row, scalar_row
from psycopg.types.json import Jsonb

from relay.kit.database import Connection, fetch_all, fetch_one
from relay.vehicles.charging.ledger import correct_ledger
from relay.vehicles.charging.owner_corrections import (
    OwnerCorrection,
    TimeRange,
    get_stated_energy,
    is_overlapping,
    replace_corrections,
)
from relay.vehicles.charging.repository import FIND_ENERGY
from relay.vehicles.charging.rows import parse_ledger, parse_session_row, serialize_ledger, serialize_session
from relay.vehicles.charging.save_statements import SAVE_CORRECTED_SESSIONS
from relay.vehicles.charging.sessions import ChargingSession

_IN_RANGE: LiteralString = "vehicle_id = %s and started_at <= %s and ended_at >= %s"
LIST_IN_RANGE: LiteralString = f"""
select started_at, ended_at, energy_kwh, deleted from session_corrections where {_IN_RANGE} order by started_at
"""  # noqa: S608 - our own constant
FIND_USER: LiteralString = "select user_id from vehicles where id = %s"
REPLACE_IN_RANGE: LiteralString = f"""
with replaced as (delete from session_corrections where {_IN_RANGE})
insert into session_corrections (vehicle_id, started_at, ended_at, energy_kwh, deleted)
select %s, started_at, ended_at, energy_kwh, deleted from jsonb_to_recordset(%s) as correction (
    started_at timestamptz, ended_at timestamptz, energy_kwh double precision, deleted boolean)
"""  # noqa: S608 - our own constant
UPDATE_ENERGY: LiteralString = """
update vehicle_energy
set tail = %(tail)s, counted_kwh = %(counted_kwh)s, counted_home_kwh = %(counted_home_kwh)s,
    lifetime_kwh = %(lifetime_kwh)s, home_kwh = %(home_kwh)s, counted_discharged_kwh = %(counted_discharged_kwh)s,
    discharged_kwh = %(discharged_kwh)s
where vehicle_id = %(vehicle_id)s
"""


async def find_stated_energy(connection: Connection, vehicle_id: UUID, period: TimeRange) -> float | None:
    """The energy that the owner has stated for a session, also while it is deleted; None if none."""
    corrections = await _list_in_range(connection, vehicle_id, period)
    return get_stated_energy(correction for correction in corrections if is_overlapping(correction, period))


async def save_correction(connection: Connection, row: DictRow, *, energy_kwh: float | None, is_deleted: bool) -> bool:
    """Correct the session in a row of `charging_sessions`; True when the counters that users see have changed.

    `energy_kwh` None with `is_deleted` False restores what was derived. The correction takes effect at once, without
    deriving anything again, so it works for sessions whose samples no longer exist.
    """
    recorded = parse_session_row(row)
    period, vehicle_id = recorded.period, row["vehicle_id"]
    correction = OwnerCorrection(
        started_at=period.started_at, ended_at=period.ended_at, energy_kwh=energy_kwh, deleted=is_deleted
    )
    new = correction if is_deleted or energy_kwh is not None else None
    existing = await _list_in_range(connection, vehicle_id, period)
    await _replace_in_range(connection, vehicle_id, period, replace_corrections(existing, period, new))
    session = replace(recorded, corrections=(new,) if new else ())
    await _update_session(connection, vehicle_id, session)
    return await _update_energy(connection, vehicle_id, recorded, session)


async def _list_in_range(connection: Connection, vehicle_id: UUID, period: TimeRange) -> list[OwnerCorrection]:
    parameters = [vehicle_id, period.ended_at, period.started_at]
    return await fetch_all(connection, LIST_IN_RANGE, parameters, class_row(OwnerCorrection))


async def _replace_in_range(
    connection: Connection, vehicle_id: UUID, period: TimeRange, corrections: Iterable[OwnerCorrection]
) -> None:
    rows = [
        asdict(correction)
        | {"started_at": correction.started_at.isoformat(), "ended_at": correction.ended_at.isoformat()}
        for correction in corrections
    ]
    await connection.execute(
        REPLACE_IN_RANGE, [vehicle_id, period.ended_at, period.started_at, vehicle_id, Jsonb(rows)]
    )


async def _update_session(connection: Connection, vehicle_id: UUID, session: ChargingSession) -> None:
    """Update the session's energy and cost, and the hours that it has or had."""
    user_id = await fetch_one(connection, FIND_USER, [vehicle_id], scalar_row)
    parameters: dict[str, object] = {
        "user_id": user_id,
        "vehicle_id": vehicle_id,
        "removed": [],
        "sessions": Jsonb([serialize_session(vehicle_id, session)]),
    }
    await connection.execute(SAVE_CORRECTED_SESSIONS, parameters)


async def _update_energy(
    connection: Connection, vehicle_id: UUID, before: ChargingSession, after: ChargingSession
) -> bool:
    """Update the counters, and the newest session where it is this one; True when the visible counters changed."""
    row = await fetch_one(connection, FIND_ENERGY, [vehicle_id], dict_row)
    if row is None:
        return False
    ledger = parse_ledger(row)
    changed = correct_ledger(ledger, before, after)
    await connection.execute(UPDATE_ENERGY, {"vehicle_id": vehicle_id, **serialize_ledger(changed)})
    return changed.counters.visible_kwh != ledger.counters.visible_kwh
