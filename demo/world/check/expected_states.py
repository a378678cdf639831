"""The expected entity states of a car, derived from Enode's vehicle object.

Written from the specification, independently of the integration.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from demo.world.check.context import CheckContext, HomeAssistantView
from demo.world.device_registry import Device
from demo.world.hass_api import Json

type ExpectedValue = str | float | datetime | None
READY_SECONDS = 15.0
MAX_LAST_SEEN_DELAY = timedelta(minutes=15)
"""The integration shows this time in steps, to keep it out of the logbook."""


def _format_flag(value: bool | None) -> str | None:  # noqa: FBT001 - the flag is the value
    return None if value is None else "on" if value else "off"


def _format_power_state(value: str) -> str | None:
    return None if value == "UNKNOWN" else value.removeprefix("PLUGGED_IN:").lower()


def _get_charge_power(charge_state: dict[str, Any]) -> float | None:
    return 0 if charge_state["isCharging"] is False else charge_state["chargeRate"]


def _parse_timestamp(value: str | None) -> datetime | None:
    # Home Assistant's states have whole seconds.
    return None if value is None else datetime.fromisoformat(value).replace(microsecond=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class EntityRule:
    """An entity: the capabilities that provide it, and its expected state; None means unknown."""

    key: str
    offered_by: tuple[str, ...]
    get_value: Callable[[Json], ExpectedValue]


ENTITY_RULES = (
    EntityRule(
        key="sensor.battery_level",
        offered_by=("chargeState",),
        get_value=lambda vehicle: vehicle["chargeState"]["batteryLevel"],
    ),
    EntityRule(
        key="sensor.range", offered_by=("chargeState",), get_value=lambda vehicle: vehicle["chargeState"]["range"]
    ),
    EntityRule(
        key="sensor.charging_state",
        offered_by=("chargeState",),
        get_value=lambda vehicle: _format_power_state(vehicle["chargeState"]["powerDeliveryState"]),
    ),
    EntityRule(
        key="sensor.charge_power",
        offered_by=("chargeState",),
        get_value=lambda vehicle: _get_charge_power(vehicle["chargeState"]),
    ),
    EntityRule(
        key="sensor.charge_time_remaining",
        offered_by=("chargeState",),
        get_value=lambda vehicle: vehicle["chargeState"]["chargeTimeRemaining"],
    ),
    EntityRule(
        key="sensor.charge_limit",
        offered_by=("chargeState",),
        get_value=lambda vehicle: vehicle["chargeState"]["chargeLimit"],
    ),
    EntityRule(
        key="sensor.battery_capacity",
        offered_by=("chargeState",),
        get_value=lambda vehicle: vehicle["chargeState"]["batteryCapacity"],
    ),
    EntityRule(
        key="sensor.odometer", offered_by=("odometer",), get_value=lambda vehicle: vehicle["odometer"]["distance"]
    ),
    EntityRule(key="sensor.last_seen", offered_by=(), get_value=lambda vehicle: _parse_timestamp(vehicle["lastSeen"])),
    EntityRule(
        key="binary_sensor.plugged_in",
        offered_by=("chargeState",),
        get_value=lambda vehicle: _format_flag(vehicle["chargeState"]["isPluggedIn"]),
    ),
    EntityRule(
        key="binary_sensor.charging",
        offered_by=("chargeState",),
        get_value=lambda vehicle: _format_flag(vehicle["chargeState"]["isCharging"]),
    ),
    EntityRule(
        key="binary_sensor.fully_charged",
        offered_by=("chargeState",),
        get_value=lambda vehicle: _format_flag(vehicle["chargeState"]["isFullyCharged"]),
    ),
    EntityRule(
        key="binary_sensor.reachable", offered_by=(), get_value=lambda vehicle: _format_flag(vehicle["isReachable"])
    ),
    EntityRule(
        key="switch.charging",
        offered_by=("startCharging", "stopCharging"),
        get_value=lambda vehicle: _format_flag(vehicle["chargeState"]["isCharging"]),
    ),
)
TRACKER = "device_tracker.location"


async def wait_until_equal(context: CheckContext, view: HomeAssistantView, *, within: float = READY_SECONDS) -> float:
    """Wait until all entities of all cars match the simulator. Call it at speed 0. Returns the seconds it took.

    A poll by Enode that finds no change updates `lastSeen` without an event. Therefore the `lastSeen` of the newest
    event is accepted as well: the relay has it until its next own poll.
    """
    vehicles = {row["vehicle"]["id"]: row["vehicle"] for row in await context.world.simulator.list_vehicles()}
    reported = await context.world.simulator.list_reported_vehicles()
    enode_ids = {row["id"]: row["vehicle"]["id"] for row in await context.world.relay.list_vehicles()}

    def list_differences() -> list[str]:
        differences: list[str] = []
        for device in view.devices:
            now = vehicles[enode_ids[device.identifier]]
            as_reported = {**now, "lastSeen": reported.get(now["id"], now)["lastSeen"]}
            candidates: list[list[str]] = [_find_differences(view, device, vehicle) for vehicle in (now, as_reported)]
            best: list[str] = min(candidates, key=len)
            differences += best
        return differences

    return await view.watcher.wait_until(
        "all entities to match the cars", lambda: not list_differences(), within=within, seen=list_differences
    )


def _find_differences(view: HomeAssistantView, device: Device, vehicle: Json) -> list[str]:
    differences = (
        [] if _has_names_of(device, vehicle) else [f"device {device.name}, {device.manufacturer} {device.model}"]
    )
    for rule in ENTITY_RULES:
        if rule.offered_by and not _is_offered(vehicle, rule.offered_by):
            differences += [f"{rule.key}, which the car does not support"] if rule.key in device.entities else []
        elif rule.key not in device.entities:
            differences.append(f"no {rule.key} of {device.name}")
        elif not _is_equal(view.watcher.get_state(device.entities[rule.key]), rule.get_value(vehicle)):
            shown = view.watcher.get_state(device.entities[rule.key])
            differences.append(f"{device.entities[rule.key]} {shown} instead of {rule.get_value(vehicle)}")
    if _is_offered(vehicle, ("location",)) and not _is_at(view, device, vehicle["location"]):
        differences.append(f"{device.name} at another location")
    return differences


def _has_names_of(device: Device, vehicle: Json) -> bool:
    information = vehicle["information"]
    named = information["displayName"] is None or device.name == information["displayName"]
    return bool(named and device.manufacturer == information["brand"] and device.model == information["model"])


def _is_offered(vehicle: Json, capabilities: tuple[str, ...]) -> bool:
    """Return whether a car has one of these capabilities, or could have it after an intervention."""
    rows: list[dict[str, Any]] = [vehicle["capabilities"][name] for name in capabilities]
    return any(row["isCapable"] or row["interventionIds"] for row in rows)


def _is_equal(shown: str | None, wanted: ExpectedValue) -> bool:
    if wanted is None:
        return shown == "unknown"
    if isinstance(wanted, str):
        return shown == wanted
    try:
        if isinstance(wanted, datetime):
            return shown is not None and timedelta() <= wanted - datetime.fromisoformat(shown) < MAX_LAST_SEEN_DELAY
        return shown is not None and float(shown) == float(wanted)
    except ValueError:
        return False


def _is_at(view: HomeAssistantView, device: Device, location: Json) -> bool:
    state = view.watcher.states.get(device.entities.get(TRACKER, ""))
    if state is None:
        return False
    shown = state["attributes"]
    return (shown.get("latitude"), shown.get("longitude")) == (location["latitude"], location["longitude"])
