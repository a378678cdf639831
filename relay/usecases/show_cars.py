"""A person looks at the cars of the account: what each of them said last, in the words of a page."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, LiteralString
from uuid import UUID

from psycopg.rows import dict_row

from relay.kit.database import Connection
from relay.vehicles.models import LinkState

CARS: LiteralString = """
select id, vendor, vehicle_cache || corrected as vehicle, link_state from vehicles
where user_id = %s and gone_at is null order by link_state = 'over_limit', created_at, id
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class ShownCar:
    """A car on a page. None: the car has not said. Percent, km, kW; of a car beyond the limit nothing but its name."""

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


async def show_cars(connection: Connection, user_id: UUID) -> list[ShownCar]:
    """The user's cars, those beyond the limit last."""
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(CARS, [user_id])
        return [_shown(row) for row in await cursor.fetchall()]


def _shown(row: Mapping[str, Any]) -> ShownCar:
    vehicle: Mapping[str, Any] = row["vehicle"]
    about = _group(vehicle, "information")
    kind = " ".join(str(it) for it in (about.get("brand"), about.get("model"), about.get("year")) if it)
    model = kind or str(row["vendor"]).title()
    name = str(about.get("displayName") or model)
    called = {"id": row["id"], "name": name, "model": "" if name == model else model, "link_state": row["link_state"]}
    if row["link_state"] == "over_limit":
        return ShownCar(**called)
    charge = _group(vehicle, "chargeState")
    is_charging = charge.get("isCharging") is True
    return ShownCar(
        **called,
        battery_level=_whole(charge.get("batteryLevel")),
        charging_state=_charging_state(charge),
        is_charging=is_charging,
        is_plugged_in=_either(charge.get("isPluggedIn")),
        range_km=_number(charge.get("range")),
        power_kw=_number(charge.get("chargeRate")) if is_charging else None,
        charge_limit=_whole(charge.get("chargeLimit")),
        is_reachable=_either(vehicle.get("isReachable")),
        seen_at=_moment(vehicle.get("lastSeen")),
    )


def _charging_state(charge: Mapping[str, Any]) -> str | None:
    """The middle of Enode's `PLUGGED_IN:CHARGING` and its like, in the words of the integration's sensor."""
    said = charge.get("powerDeliveryState")
    if not isinstance(said, str) or said == "UNKNOWN":
        return None
    return said.rpartition(":")[2].lower()


# Enode's objects are stored as they came: nothing in them is sure to have its type.


def _group(vehicle: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = vehicle.get(name)
    return found if isinstance(found, dict) else {}


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _whole(value: object) -> int | None:
    number = _number(value)
    return None if number is None else max(0, min(100, round(number)))


def _either(value: object) -> bool | None:
    return value if isinstance(value, bool) else None


def _moment(value: object) -> datetime | None:
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
    return moment if moment is not None and moment.tzinfo is not None else None
