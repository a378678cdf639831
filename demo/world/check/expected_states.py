"""What Home Assistant must show of a car, read off Enode's vehicle object. Written from the specification alone."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from demo.world.check.context import CheckContext, HomeAssistantView
from demo.world.device_registry import Device
from demo.world.hass_api import Json

type ExpectedValue = str | float | None
READY_SECONDS = 15.0


def _format_flag(value: bool | None) -> str | None:  # noqa: FBT001 - it is the value itself
    return None if value is None else "on" if value else "off"


def _format_power_state(value: str) -> str | None:
    return None if value == "UNKNOWN" else value.removeprefix("PLUGGED_IN:").lower()


def _format_timestamp(value: str | None) -> str | None:
    # Home Assistant shows whole seconds.
    return None if value is None else datetime.fromisoformat(value).isoformat(timespec="seconds")


@dataclass(frozen=True, slots=True, kw_only=True)
class EntityRule:
    """One entity: which capability offers it, and what it shows of the vehicle; None is unknown."""

    key: str
    offered_by: tuple[str, ...]
    get_value: Callable[[Json], ExpectedValue]


ENTITY_RULES = (
    EntityRule(
        key="sensor.battery_level", offered_by=("chargeState",), get_value=lambda it: it["chargeState"]["batteryLevel"]
    ),
    EntityRule(key="sensor.range", offered_by=("chargeState",), get_value=lambda it: it["chargeState"]["range"]),
    EntityRule(
        key="sensor.charging_state",
        offered_by=("chargeState",),
        get_value=lambda it: _format_power_state(it["chargeState"]["powerDeliveryState"]),
    ),
    EntityRule(
        key="sensor.charge_power", offered_by=("chargeState",), get_value=lambda it: it["chargeState"]["chargeRate"]
    ),
    EntityRule(
        key="sensor.charge_time_remaining",
        offered_by=("chargeState",),
        get_value=lambda it: it["chargeState"]["chargeTimeRemaining"],
    ),
    EntityRule(
        key="sensor.charge_limit", offered_by=("chargeState",), get_value=lambda it: it["chargeState"]["chargeLimit"]
    ),
    EntityRule(
        key="sensor.battery_capacity",
        offered_by=("chargeState",),
        get_value=lambda it: it["chargeState"]["batteryCapacity"],
    ),
    EntityRule(key="sensor.odometer", offered_by=("odometer",), get_value=lambda it: it["odometer"]["distance"]),
    EntityRule(key="sensor.last_seen", offered_by=(), get_value=lambda it: _format_timestamp(it["lastSeen"])),
    EntityRule(
        key="binary_sensor.plugged_in",
        offered_by=("chargeState",),
        get_value=lambda it: _format_flag(it["chargeState"]["isPluggedIn"]),
    ),
    EntityRule(
        key="binary_sensor.charging",
        offered_by=("chargeState",),
        get_value=lambda it: _format_flag(it["chargeState"]["isCharging"]),
    ),
    EntityRule(
        key="binary_sensor.fully_charged",
        offered_by=("chargeState",),
        get_value=lambda it: _format_flag(it["chargeState"]["isFullyCharged"]),
    ),
    EntityRule(key="binary_sensor.reachable", offered_by=(), get_value=lambda it: _format_flag(it["isReachable"])),
    EntityRule(
        key="switch.charging",
        offered_by=("startCharging", "stopCharging"),
        get_value=lambda it: _format_flag(it["chargeState"]["isCharging"]),
    ),
)
TRACKER = "device_tracker.location"


async def wait_until_equal(bench: CheckContext, look: HomeAssistantView, *, within: float = READY_SECONDS) -> float:
    """Wait until every entity of every car shows what the simulator says. Time should stand still meanwhile.

    A look of Enode's that found nothing new moves `lastSeen` without an event: then the one last told is right as well,
    which a relay has until it asks for all cars.
    """
    vehicles = {row["vehicle"]["id"]: row["vehicle"] for row in await bench.world.simulator.list_vehicles()}
    told = await bench.world.simulator.list_reported_vehicles()
    known = {row["id"]: row["vehicle"]["id"] for row in await bench.world.relay.list_vehicles()}

    def differences() -> list[str]:
        found: list[str] = []
        for car in look.devices:
            now = vehicles[known[car.identifier]]
            heard = {**now, "lastSeen": told.get(now["id"], now)["lastSeen"]}
            either: list[list[str]] = [_find_differences(look, car, it) for it in (now, heard)]
            nearest: list[str] = min(either, key=len)
            found += nearest
        return found

    return await look.watcher.wait_until(
        "every entity to show what the car is", lambda: not differences(), within=within, seen=differences
    )


def _find_differences(look: HomeAssistantView, car: Device, vehicle: Json) -> list[str]:
    found = [] if _has_names_of(car, vehicle) else [f"device {car.name}, {car.manufacturer} {car.model}"]
    for row in ENTITY_RULES:
        if row.offered_by and not _is_offered(vehicle, row.offered_by):
            found += [f"{row.key}, which the car does not offer"] if row.key in car.entities else []
        elif row.key not in car.entities:
            found.append(f"no {row.key} of {car.name}")
        elif not _is_equal(look.watcher.get_state(car.entities[row.key]), row.get_value(vehicle)):
            shown = look.watcher.get_state(car.entities[row.key])
            found.append(f"{car.entities[row.key]} {shown} instead of {row.get_value(vehicle)}")
    if _is_offered(vehicle, ("location",)) and not _is_at(look, car, vehicle["location"]):
        found.append(f"{car.name} at another place")
    return found


def _has_names_of(car: Device, vehicle: Json) -> bool:
    about = vehicle["information"]
    named = about["displayName"] is None or car.name == about["displayName"]
    return bool(named and car.manufacturer == about["brand"] and car.model == about["model"])


def _is_offered(vehicle: Json, capabilities: tuple[str, ...]) -> bool:
    """A car offers what it can do, and what a person could make it do."""
    rows: list[dict[str, Any]] = [vehicle["capabilities"][name] for name in capabilities]
    return any(row["isCapable"] or row["interventionIds"] for row in rows)


def _is_equal(shown: str | None, wanted: ExpectedValue) -> bool:
    if wanted is None:
        return shown == "unknown"
    if isinstance(wanted, str):
        return shown == wanted
    try:
        return shown is not None and float(shown) == float(wanted)
    except ValueError:
        return False


def _is_at(look: HomeAssistantView, car: Device, place: Json) -> bool:
    state = look.watcher.states.get(car.entities.get(TRACKER, ""))
    if state is None:
        return False
    shown = state["attributes"]
    return (shown.get("latitude"), shown.get("longitude")) == (place["latitude"], place["longitude"])
