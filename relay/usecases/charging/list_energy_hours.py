"""List a vehicle's energy by hour, from the first hour that has changed since a cursor. Costs no call."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, LiteralString, TypedDict
from uuid import UUID

from fastapi import APIRouter, Query
from psycopg.rows import DictRow, dict_row
from pydantic import AwareDatetime, BaseModel, Field

from relay.feed.cursor import Cursor, parse_cursor
from relay.kit.database import Connection, fetch_all, fetch_one
from relay.kit.timestamps import EARLIEST_TIME, format_timestamp
from relay.usecases.calls.authorize import authenticate_caller
from relay.usecases.calls.resolve_credential import CredentialDependency
from relay.usecases.calls.runtime import RuntimeDependency
from relay.usecases.charging.list_sessions import resolve_vehicle_id

MAX_HOURS = 5000

# A cursor of another epoch, or ahead of what is stored, is of a database that has been restored: all is new then.
FIND_POSITION: LiteralString = """
select f.epoch, coalesce(max(h.revision), 0) as revision, min(h.hour) as first_hour,
       min(h.hour) filter (where h.revision > %(revision)s) as first_changed_hour
from feeds f left join charging_hours h on h.vehicle_id = %(vehicle_id)s
where f.user_id = %(user_id)s group by f.epoch
"""
SUM_UP: LiteralString = """
select coalesce(sum(kwh), 0) as kwh, coalesce(sum(home_kwh), 0) as home_kwh,
       coalesce(sum(discharged_kwh), 0) as discharged_kwh,
       coalesce(jsonb_object_agg(currency, cost) filter (where currency is not null and cost is not null), '{}')
           as costs
from (
    select sum(kwh) as kwh, sum(home_kwh) as home_kwh, sum(discharged_kwh) as discharged_kwh, currency,
           sum(cost) as cost
    from charging_hours where vehicle_id = %(vehicle_id)s and hour < %(since)s group by currency
) by_currency
"""
LIST_HOURS: LiteralString = """
select hour, kwh, home_kwh, discharged_kwh, cost, currency from charging_hours
where vehicle_id = %(vehicle_id)s and hour >= %(since)s order by hour limit %(limit)s
"""

router = APIRouter(prefix="/api/ha/v2")


class HourRange(BaseModel):
    """Which hours to return: from a time, or from the first one that has changed since a cursor."""

    since: Annotated[str | None, Field(max_length=80)] = None
    from_: Annotated[AwareDatetime | None, Field(alias="from")] = None
    limit: Annotated[int, Field(ge=1, le=MAX_HOURS)] = 1000


class EnergyHourRecord(TypedDict):
    """Energy of the hour of UTC that begins at `hour`. `cost` is null if some of its price is unknown."""

    hour: str
    energy_kwh: float
    home_kwh: float
    discharged_kwh: float
    cost: float | None
    currency: str | None


class EnergySumRecord(TypedDict):
    """The sums of all hours before the first one that is returned. `costs` has the sum of each currency."""

    energy_kwh: float
    home_kwh: float
    discharged_kwh: float
    costs: dict[str, float]


class EnergyHourPage(TypedDict):
    """Hours in order, without those in which nothing was ever charged.

    `complete`: they start with the vehicle's first hour. `next_from`: the first hour of the next page, null if there
    is none. `cursor`: send it as `since` to get what changes after this response.
    """

    vehicle_id: str
    before: EnergySumRecord
    hours: list[EnergyHourRecord]
    complete: bool
    next_from: str | None
    cursor: str


@dataclass(frozen=True, kw_only=True, slots=True)
class HourPosition:
    """Where to start: `since`, None if nothing has changed. `is_complete`: that is the vehicle's first hour."""

    since: datetime | None
    is_complete: bool
    cursor: Cursor


@router.get("/vehicles/{vehicle_id}/energy-hours", response_model=None, responses={200: {"model": EnergyHourPage}})
async def get_energy_hours(
    vehicle_id: str,
    hour_range: Annotated[HourRange, Query()],
    runtime: RuntimeDependency,
    authorization: CredentialDependency,
) -> EnergyHourPage:
    """Energy and cost of a vehicle by hour. Costs no call."""
    limit = hour_range.limit
    async with runtime.pool.connection() as connection:
        user_id = (await authenticate_caller(connection, authorization, scope="read")).caller.user_id
        resolved_id = await resolve_vehicle_id(connection, user_id, vehicle_id)
        async with connection.transaction():
            await connection.execute("set transaction isolation level repeatable read")
            position = await _find_position(connection, user_id, resolved_id, hour_range)
            parameters = {"vehicle_id": resolved_id, "since": position.since, "limit": limit + 1}
            rows = await fetch_all(connection, LIST_HOURS, parameters, dict_row)
            sums = await fetch_one(connection, SUM_UP, parameters, dict_row)
    assert sums is not None  # noqa: S101 - an aggregate always has a row
    return {
        "vehicle_id": str(resolved_id),
        "before": _render_sums(sums),
        "hours": [_render_hour(row) for row in rows[:limit]],
        "complete": position.is_complete,
        "next_from": format_timestamp(rows[limit]["hour"]) if len(rows) > limit else None,
        "cursor": str(position.cursor),
    }


async def _find_position(
    connection: Connection, user_id: UUID, vehicle_id: UUID, hour_range: HourRange
) -> HourPosition:
    cursor, from_ = parse_cursor(hour_range.since), hour_range.from_
    parameters = {"user_id": user_id, "vehicle_id": vehicle_id, "revision": cursor.seq if cursor else 0}
    row = await fetch_one(connection, FIND_POSITION, parameters, dict_row)
    assert row is not None  # noqa: S101 - each user has a feed
    current = Cursor(epoch=row["epoch"], seq=row["revision"])
    is_usable = cursor is not None and cursor.epoch == current.epoch and cursor.seq <= current.seq
    start = (row["first_changed_hour"] if is_usable else EARLIEST_TIME) if from_ is None else from_
    is_complete = start is not None and (row["first_hour"] is None or start <= row["first_hour"])
    return HourPosition(since=start, is_complete=is_complete, cursor=current)


def _render_sums(row: DictRow) -> EnergySumRecord:
    return {
        "energy_kwh": round(row["kwh"], 6),
        "home_kwh": round(row["home_kwh"], 6),
        "discharged_kwh": round(row["discharged_kwh"], 6),
        "costs": {currency: round(cost, 6) for currency, cost in sorted(row["costs"].items())},
    }


def _render_hour(row: DictRow) -> EnergyHourRecord:
    cost = row["cost"]
    return {
        "hour": format_timestamp(row["hour"]),
        "energy_kwh": round(row["kwh"], 6),
        "home_kwh": round(row["home_kwh"], 6),
        "discharged_kwh": round(row["discharged_kwh"], 6),
        "cost": None if cost is None else round(cost, 6),
        "currency": row["currency"],
    }
