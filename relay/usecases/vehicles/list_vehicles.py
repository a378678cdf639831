"""List the vehicles of an account with their last state, for web pages."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, LiteralString
from uuid import UUID

from psycopg.rows import dict_row

from relay.kit.database import Connection, fetch_all
from relay.vehicles.models import LinkState

LIST_VEHICLES: LiteralString = """
select id, vendor, vehicle_cache || corrected as vehicle, link_state from vehicles
where user_id = %s and gone_at is null order by link_state = 'over_limit', created_at, id
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class VehicleSummary:
    """A vehicle on a web page; None is unknown. Levels in percent, range in km, power in kW.

    A vehicle over the plan's limit has only its name and model.
    """

    id: UUID
    name: str
    model: str
    link_state: LinkState
    battery_level: int | None = None
    charging_state: str | None = None
    is_charging: bool = False
    is_plugged_in: bool | None = None
    range_km: float | None = None
    power_kw: float | None = None
    charge_limit: int | None = None
    is_reachable: bool | None = None
    seen_at: datetime | None = None


async def list_vehicles(connection: Connection, user_id: UUID) -> list[VehicleSummary]:
    """The user's vehicles, those over the limit last."""
    return [_build_summary(row) for row in await fetch_all(connection, LIST_VEHICLES, [user_id], dict_row)]


def _build_summary(row: Mapping[str, Any]) -> VehicleSummary:
    vehicle: Mapping[str, Any] = row["vehicle"]
    information = _get_object(vehicle, "information")
    full_model = " ".join(
        str(part) for part in (information.get("brand"), information.get("model"), information.get("year")) if part
    )
    model = full_model or str(row["vendor"]).title()
    name = str(information.get("displayName") or model)
    identity = {"id": row["id"], "name": name, "model": "" if name == model else model, "link_state": row["link_state"]}
    if row["link_state"] == "over_limit":
        return VehicleSummary(**identity)
    charge = _get_object(vehicle, "chargeState")
    is_charging = charge.get("isCharging") is True
    return VehicleSummary(
        **identity,
        battery_level=_parse_percentage(charge.get("batteryLevel")),
        charging_state=_parse_charging_state(charge),
        is_charging=is_charging,
        is_plugged_in=_parse_bool(charge.get("isPluggedIn")),
        range_km=_parse_number(charge.get("range")),
        power_kw=_parse_number(charge.get("chargeRate")) if is_charging else None,
        charge_limit=_parse_percentage(charge.get("chargeLimit")),
        is_reachable=_parse_bool(vehicle.get("isReachable")),
        seen_at=_parse_timestamp(vehicle.get("lastSeen")),
    )


def _parse_charging_state(charge: Mapping[str, Any]) -> str | None:
    """Enode's power delivery state as the integration's sensor shows it: `PLUGGED_IN:CHARGING` becomes `charging`."""
    state = charge.get("powerDeliveryState")
    if not isinstance(state, str) or state == "UNKNOWN":
        return None
    return state.rpartition(":")[2].lower()


# Enode's objects are stored as received, so any member may have an unexpected type.


def _get_object(vehicle: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    member = vehicle.get(name)
    return member if isinstance(member, dict) else {}


def _parse_number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _parse_percentage(value: object) -> int | None:
    number = _parse_number(value)
    return None if number is None else max(0, min(100, round(number)))


def _parse_bool(value: object) -> bool | None:
    return value if isinstance(value, bool) else None


def _parse_timestamp(value: object) -> datetime | None:
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
    return moment if moment is not None and moment.tzinfo is not None else None
