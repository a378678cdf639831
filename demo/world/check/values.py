"""What Home Assistant must show of a car, read off Enode's vehicle object. Written from the specification alone."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from demo.world.check.bench import Bench, Look
from demo.world.hass_api import Json
from demo.world.registry import Device

type Wanted = str | float | None
SETTLE_SECONDS = 15.0


def _flag(value: bool | None) -> str | None:  # noqa: FBT001 - it is the value itself
    return None if value is None else "on" if value else "off"


def _power_state(value: str) -> str | None:
    return None if value == "UNKNOWN" else value.removeprefix("PLUGGED_IN:").lower()


def _moment(value: str | None) -> str | None:
    # Home Assistant shows whole seconds.
    return None if value is None else datetime.fromisoformat(value).isoformat(timespec="seconds")


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """One entity: which capability offers it, and what it shows of the vehicle; None is unknown."""

    key: str
    offered_by: tuple[str, ...]
    value: Callable[[Json], Wanted]


SHOWN = (
    Shown(key="sensor.battery_level", offered_by=("chargeState",), value=lambda it: it["chargeState"]["batteryLevel"]),
    Shown(key="sensor.range", offered_by=("chargeState",), value=lambda it: it["chargeState"]["range"]),
    Shown(
        key="sensor.charging_state",
        offered_by=("chargeState",),
        value=lambda it: _power_state(it["chargeState"]["powerDeliveryState"]),
    ),
    Shown(key="sensor.charge_power", offered_by=("chargeState",), value=lambda it: it["chargeState"]["chargeRate"]),
    Shown(
        key="sensor.charge_time_remaining",
        offered_by=("chargeState",),
        value=lambda it: it["chargeState"]["chargeTimeRemaining"],
    ),
    Shown(key="sensor.charge_limit", offered_by=("chargeState",), value=lambda it: it["chargeState"]["chargeLimit"]),
    Shown(
        key="sensor.battery_capacity",
        offered_by=("chargeState",),
        value=lambda it: it["chargeState"]["batteryCapacity"],
    ),
    Shown(key="sensor.odometer", offered_by=("odometer",), value=lambda it: it["odometer"]["distance"]),
    Shown(key="sensor.last_seen", offered_by=(), value=lambda it: _moment(it["lastSeen"])),
    Shown(
        key="binary_sensor.plugged_in",
        offered_by=("chargeState",),
        value=lambda it: _flag(it["chargeState"]["isPluggedIn"]),
    ),
    Shown(
        key="binary_sensor.charging",
        offered_by=("chargeState",),
        value=lambda it: _flag(it["chargeState"]["isCharging"]),
    ),
    Shown(
        key="binary_sensor.fully_charged",
        offered_by=("chargeState",),
        value=lambda it: _flag(it["chargeState"]["isFullyCharged"]),
    ),
    Shown(key="binary_sensor.reachable", offered_by=(), value=lambda it: _flag(it["isReachable"])),
    Shown(
        key="switch.charging",
        offered_by=("startCharging", "stopCharging"),
        value=lambda it: _flag(it["chargeState"]["isCharging"]),
    ),
)
TRACKER = "device_tracker.location"


async def until_equal(bench: Bench, look: Look, *, within: float = SETTLE_SECONDS) -> float:
    """Wait until every entity of every car shows what the simulator says. Time should stand still meanwhile.

    A look of Enode's that found nothing new moves `lastSeen` without an event: then the one last told is right as well,
    which a relay has until it asks for all cars.
    """
    vehicles = {row["vehicle"]["id"]: row["vehicle"] for row in await bench.world.simulator.cars()}
    told = await bench.world.simulator.told()
    known = {row["id"]: row["vehicle"]["id"] for row in await bench.world.relay.vehicles()}

    def differences() -> list[str]:
        found: list[str] = []
        for car in look.cars:
            now = vehicles[known[car.identifier]]
            heard = {**now, "lastSeen": told.get(now["id"], now)["lastSeen"]}
            either: list[list[str]] = [_differences(look, car, it) for it in (now, heard)]
            nearest: list[str] = min(either, key=len)
            found += nearest
        return found

    return await look.watch.until(
        "every entity to show what the car is", lambda: not differences(), within=within, seen=differences
    )


def _differences(look: Look, car: Device, vehicle: Json) -> list[str]:
    found = [] if _is_named_after(car, vehicle) else [f"device {car.name}, {car.manufacturer} {car.model}"]
    for row in SHOWN:
        if row.offered_by and not _offers(vehicle, row.offered_by):
            found += [f"{row.key}, which the car does not offer"] if row.key in car.entities else []
        elif row.key not in car.entities:
            found.append(f"no {row.key} of {car.name}")
        elif not _same(look.watch.state(car.entities[row.key]), row.value(vehicle)):
            shown = look.watch.state(car.entities[row.key])
            found.append(f"{car.entities[row.key]} {shown} instead of {row.value(vehicle)}")
    if _offers(vehicle, ("location",)) and not _is_there(look, car, vehicle["location"]):
        found.append(f"{car.name} at another place")
    return found


def _is_named_after(car: Device, vehicle: Json) -> bool:
    about = vehicle["information"]
    named = about["displayName"] is None or car.name == about["displayName"]
    return bool(named and car.manufacturer == about["brand"] and car.model == about["model"])


def _offers(vehicle: Json, capabilities: tuple[str, ...]) -> bool:
    """A car offers what it can do, and what a person could make it do."""
    rows: list[dict[str, Any]] = [vehicle["capabilities"][name] for name in capabilities]
    return any(row["isCapable"] or row["interventionIds"] for row in rows)


def _same(shown: str | None, wanted: Wanted) -> bool:
    if wanted is None:
        return shown == "unknown"
    if isinstance(wanted, str):
        return shown == wanted
    try:
        return shown is not None and float(shown) == float(wanted)
    except ValueError:
        return False


def _is_there(look: Look, car: Device, place: Json) -> bool:
    state = look.watch.states.get(car.entities.get(TRACKER, ""))
    if state is None:
        return False
    shown = state["attributes"]
    return (shown.get("latitude"), shown.get("longitude")) == (place["latitude"], place["longitude"])
