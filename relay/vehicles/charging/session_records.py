"""Charging sessions as JSON of the API, from database rows."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal, LiteralString, TypedDict

from relay.kit.timestamps import format_timestamp
from relay.vehicles.charging.periods import EnergySource, SessionKind

IS_UNDER_WAY: LiteralString = "(s.open and s.ended_at > now() - interval '8 hours')"
"""True for a row `s` of `charging_sessions` that is under way.

A vehicle that stopped reporting doesn't keep its session open: the limit is MAX_GAP in derivation.py.
"""

NEWEST_SESSIONS: LiteralString = f"""
(select jsonb_agg(to_jsonb(n) - 'hours' - 'slices' order by n.started_at desc, n.id) from (
    select s.*, {IS_UNDER_WAY} as under_way from charging_sessions s
    where s.vehicle_id = v.id and s.kind = 'charge' and not s.deleted_by_owner
    order by s.started_at desc, s.id limit 2
) n)
"""  # noqa: S608 - our own constant
"""The two newest charging sessions of a vehicle `v` as JSON, newest first; null if it has none.

The order is that of the index `charging_sessions_vehicle`: with another one, each read would sort all sessions.
"""


class CostRecord(TypedDict):
    """The cost of a session: the energy of each interval times the price valid then.

    `per_kwh` is the mean price; `currency` is an ISO 4217 code.
    """

    amount: float
    currency: str
    per_kwh: float


class SessionRecord(TypedDict):
    """Charging within one plug-in. Unknown values are null.

    `kind` is *discharge* for energy taken from the battery. `ended_at` is null while the session is open. `estimated`:
    some of the energy was taken from the level over a long gap or against a wrong power, or no report shows that the
    vehicle charged. `cost_unknown` is why `cost` is null: the energy isn't known, the price of some of it isn't, or
    prices have several currencies; a discharge has no cost. `amended_at` is when a late or corrected report, or its
    owner, last changed the session after its end. `derived_energy_kwh` is `energy_kwh` before a correction by its
    owner.
    """

    id: str
    vehicle_id: str
    kind: SessionKind
    state: Literal["open", "ended"]
    started_at: str
    ended_at: str | None
    energy_kwh: float | None
    energy_source: EnergySource
    estimated: bool
    soc_start: float | None
    soc_end: float | None
    peak_kw: float | None
    at_home: bool | None
    latitude: float | None
    longitude: float | None
    odometer_km: float | None
    cost: CostRecord | None
    cost_unknown: Literal["energy", "price", "currency"] | None
    amended_at: str | None
    corrected_by_owner: bool
    derived_energy_kwh: float | None


def render_session_record(row: Mapping[str, Any]) -> SessionRecord:
    """A session as JSON. `row` has the columns of `charging_sessions`, and `under_way`."""
    under_way, amended_at = row["under_way"], row["amended_at"]
    return {
        "id": str(row["id"]),
        "vehicle_id": str(row["vehicle_id"]),
        "kind": row["kind"],
        "state": "open" if under_way else "ended",
        "started_at": format_timestamp(row["started_at"]),
        "ended_at": None if under_way else format_timestamp(row["ended_at"]),
        "energy_kwh": round_optional(row["energy_kwh"], 3),
        "energy_source": row["energy_source"],
        "estimated": row["estimated"],
        "soc_start": row["soc_start"],
        "soc_end": row["soc_end"],
        "peak_kw": row["peak_kw"],
        "at_home": row["at_home"],
        "latitude": row["latitude"],
        "longitude": row["longitude"],
        "odometer_km": get_odometer_km(row),
        "cost": render_cost_record(row),
        "cost_unknown": row["cost_unknown"],
        "amended_at": None if amended_at is None else format_timestamp(amended_at),
        "corrected_by_owner": row["corrected_by_owner"],
        "derived_energy_kwh": round_optional(get_derived_energy_kwh(row), 3),
    }


class NewestSessionsRecord(TypedDict):
    """The charging session that is under way, and the last one that has ended; null if there is none."""

    current: SessionRecord | None
    last: SessionRecord | None


def render_newest_sessions(rows: Sequence[Mapping[str, Any]] | None) -> NewestSessionsRecord:
    """The newest sessions as JSON, from the value of NEWEST_SESSIONS."""
    records = [render_session_record(_parse_times(row)) for row in rows or ()]
    ended = [record for record in records if record["state"] == "ended"]
    is_under_way = bool(records) and records[0]["state"] == "open"
    return {"current": records[0] if is_under_way else None, "last": ended[0] if ended else None}


def get_derived_energy_kwh(row: Mapping[str, Any]) -> float | None:
    """The energy as the relay derived it, whatever the owner made of it."""
    is_corrected = row["corrected_by_owner"] or row["deleted_by_owner"]
    energy: float | None = row["derived_energy_kwh" if is_corrected else "energy_kwh"]
    return energy


def render_cost_record(row: Mapping[str, Any]) -> CostRecord | None:
    """The cost of a session; None when energy or price is unknown. Not rounded to cents, because readers sum it up."""
    cost, energy, per_kwh = row["cost"], row["energy_kwh"], row["cost_per_kwh"]
    if energy is None or per_kwh is None or row["cost_unknown"] is not None:
        return None
    amount = energy * per_kwh if cost is None else cost
    return {"amount": round(amount, 4), "currency": row["currency"], "per_kwh": round(per_kwh, 6)}


def get_odometer_km(row: Mapping[str, Any]) -> float | None:
    """The odometer at the start of a session: the user's own reading if there is one, else the vehicle's."""
    by_user: float | None = row["user_odometer_km"]
    by_vehicle: float | None = row["odometer_km"]
    return by_vehicle if by_user is None else by_user


def _parse_times(row: Mapping[str, Any]) -> Mapping[str, Any]:
    """A row of JSON with the times as in a row of the database."""
    times = {name: datetime.fromisoformat(row[name]) for name in ("started_at", "ended_at", "amended_at") if row[name]}
    return {**row, **times}


def round_optional(value: float | None, digits: int) -> float | None:
    """`value` rounded to `digits` decimal places; None stays None."""
    return None if value is None else round(value, digits)
