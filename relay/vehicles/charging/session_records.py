"""Charging sessions as they cross the wire, from rows of the database."""

from collections.abc import Mapping
from typing import Any, Literal, LiteralString, TypedDict

from relay.kit.timestamps import format_timestamp
from relay.vehicles.charging.derivation import EnergySource

# Whether a row `s` of `charging_sessions` is under way. A car that has fallen silent is not waited for for ever; the
# time is BRIDGED in charging_sessions.py.
IS_UNDER_WAY: LiteralString = "(s.open and s.ended_at > now() - interval '8 hours')"


class CostRecord(TypedDict):
    """What a session cost, at the rate that was in force when it began; `currency` in ISO 4217."""

    amount: float
    currency: str
    per_kwh: float


class SessionRecord(TypedDict):
    """Charging within one plug-in; what the car does not tell is null.

    `ended_at` is null while it is open. `amended_at`: when news last changed it after its end.
    """

    id: str
    vehicle_id: str
    state: Literal["open", "ended"]
    started_at: str
    ended_at: str | None
    energy_kwh: float | None
    energy_source: EnergySource
    soc_start: float | None
    soc_end: float | None
    peak_kw: float | None
    at_home: bool | None
    latitude: float | None
    longitude: float | None
    odometer_km: float | None
    cost: CostRecord | None
    amended_at: str | None


def render_session_record(row: Mapping[str, Any]) -> SessionRecord:
    """A SessionRecord. `row` has the columns of `charging_sessions`, and `under_way`."""
    under_way, amended_at = row["under_way"], row["amended_at"]
    return {
        "id": str(row["id"]),
        "vehicle_id": str(row["vehicle_id"]),
        "state": "open" if under_way else "ended",
        "started_at": format_timestamp(row["started_at"]),
        "ended_at": None if under_way else format_timestamp(row["ended_at"]),
        "energy_kwh": round_optional(row["energy_kwh"], 3),
        "energy_source": row["energy_source"],
        "soc_start": row["soc_start"],
        "soc_end": row["soc_end"],
        "peak_kw": row["peak_kw"],
        "at_home": row["at_home"],
        "latitude": row["latitude"],
        "longitude": row["longitude"],
        "odometer_km": get_odometer_km(row),
        "cost": render_cost_record(row),
        "amended_at": None if amended_at is None else format_timestamp(amended_at),
    }


def render_cost_record(row: Mapping[str, Any]) -> CostRecord | None:
    """What it cost; None where energy or rate is unknown. A part of a cent is kept: sums are the reader's."""
    energy, rate = row["energy_kwh"], row["cost_per_kwh"]
    if energy is None or rate is None:
        return None
    return {"amount": round(energy * rate, 4), "currency": row["currency"], "per_kwh": rate}


def get_odometer_km(row: Mapping[str, Any]) -> float | None:
    """The odometer at the start; what the user read there says more than the car."""
    told: float | None = row["user_odometer_km"]
    measured: float | None = row["odometer_km"]
    return measured if told is None else told


def round_optional(value: float | None, digits: int) -> float | None:
    """`value` with so many digits."""
    return None if value is None else round(value, digits)
