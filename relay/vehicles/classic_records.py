"""Vehicles as JSON of the classic API: Enode's state groups, and some of their members as flat keys beside them.

Every key is always present. An unknown member is null, an unknown group is an empty object.
"""

from collections.abc import Mapping
from typing import Any, TypedDict
from uuid import UUID

from relay.kit.json_object import JsonObject

type EnodeVehicle = Mapping[str, Any]
"""Enode's vehicle object with corrections applied, as a user sees it."""


class ListedVehicleRecord(TypedDict):
    """Enode's object, with our id as `db_id`. It has what Enode reports, so it has more members than these."""

    id: str
    db_id: str
    source: str
    information: JsonObject


class CommonStatusRecord(TypedDict):
    """What all classic formats of a vehicle have. The groups are Enode's."""

    vehicleName: str | None
    latitude: float | None
    longitude: float | None
    lastSeen: str | None
    isReachable: bool | None
    locationAvailable: bool
    chargeState: JsonObject
    information: JsonObject
    location: JsonObject | None
    odometer: JsonObject
    vendor: str | None
    smartChargingPolicy: JsonObject


class ClassicStatusRecord(CommonStatusRecord):
    """The status that the classic client polls."""

    batteryLevel: float | None
    range: float | None
    isCharging: bool | None
    isPluggedIn: bool | None
    chargingState: str | None


class HaStatusRecord(CommonStatusRecord):
    """The status for REST users."""

    capabilities: JsonObject


class HaVehicleRecord(CommonStatusRecord):
    """A vehicle in the list for REST users."""

    vehicleId: str


PUSHED_GROUP_MEMBERS: dict[str, tuple[str, ...]] = {
    "chargeState": (
        "batteryLevel",
        "range",
        "isCharging",
        "isPluggedIn",
        "isFullyCharged",
        "batteryCapacity",
        "chargeLimit",
        "chargeRate",
        "chargeTimeRemaining",
        "maxCurrent",
        "powerDeliveryState",
        "lastUpdated",
    ),
    "information": ("displayName", "vin", "brand", "model", "year"),
    "odometer": ("distance", "lastUpdated"),
    "smartChargingPolicy": ("isEnabled", "deadline", "minimumChargeLimit"),
}
"""Members that a pushed group always has. The classic client (1.9.5) merges groups one level deep: it keeps the old
value of a member that a push leaves out, where a poll would have removed it."""


def render_status(vehicle: EnodeVehicle) -> dict[str, Any]:
    """The status that the classic client polls. It never had `capabilities`, so they are left out."""
    charge = _get_group(vehicle, "chargeState")
    return {
        "batteryLevel": charge.get("batteryLevel"),
        "range": charge.get("range"),
        "isCharging": charge.get("isCharging"),
        "isPluggedIn": charge.get("isPluggedIn"),
        "chargingState": charge.get("powerDeliveryState"),
        **_render_common_members(vehicle),
    }


def render_pushed_vehicle(vehicle: EnodeVehicle) -> dict[str, Any]:
    """The vehicle that is pushed to the classic client: Enode's object, and every key of the status.

    The client merges it into the status that it polled last, and polls later because of it, so a key that a push left
    out would show an old value for as long as pushes arrive. `capabilities` are left out: the client hides the sensors
    of everything that they call incapable, until it is reloaded.
    """
    status = render_status(vehicle)
    groups = {name: {**dict.fromkeys(members), **status[name]} for name, members in PUSHED_GROUP_MEMBERS.items()}
    enode_members = {name: value for name, value in vehicle.items() if name != "capabilities"}
    return {**enode_members, **status, **groups}


def render_ha_status(vehicle: EnodeVehicle) -> dict[str, Any]:
    """The status for REST users: without flat keys of the charge state, but with `capabilities`."""
    return {**_render_common_members(vehicle), "capabilities": _get_group(vehicle, "capabilities")}


def render_ha_vehicle(vehicle_id: UUID | str, vehicle: EnodeVehicle) -> dict[str, Any]:
    """A vehicle in the list for REST users, with our id."""
    return {"vehicleId": str(vehicle_id), **_render_common_members(vehicle)}


def render_listed_vehicle(vehicle_id: UUID | str, vehicle: EnodeVehicle) -> dict[str, Any]:
    """A vehicle in the list of the classic client: Enode's object with our id as `db_id`.

    The client stores Enode's `id`.
    """
    return {
        "id": str(vehicle_id),  # replaced by Enode's id, where the object has one
        **vehicle,
        "information": _get_group(vehicle, "information"),
        "db_id": str(vehicle_id),
        "source": "enode",
    }


def _render_common_members(vehicle: EnodeVehicle) -> dict[str, Any]:
    location = _get_group(vehicle, "location")
    latitude, longitude = location.get("latitude"), location.get("longitude")
    is_located = latitude is not None and longitude is not None
    return {
        "vehicleName": _get_vehicle_name(_get_group(vehicle, "information")),
        "latitude": latitude,
        "longitude": longitude,
        "lastSeen": vehicle.get("lastSeen"),
        "isReachable": vehicle.get("isReachable"),
        "locationAvailable": is_located,
        "chargeState": _get_group(vehicle, "chargeState"),
        "information": _render_information(vehicle),
        "location": location if is_located else None,
        "odometer": _get_group(vehicle, "odometer"),
        "vendor": vehicle.get("vendor"),
        "smartChargingPolicy": _get_group(vehicle, "smartChargingPolicy"),
    }


def _render_information(vehicle: EnodeVehicle) -> EnodeVehicle:
    """The vehicle's `information` with a display name, which is brand and model where the owner gave none."""
    information = _get_group(vehicle, "information")
    if not information or information.get("displayName"):
        return information
    return {**information, "displayName": _join_brand_and_model(information)}


def _get_vehicle_name(information: EnodeVehicle) -> str | None:
    """Brand and model, else the name that the owner gave the vehicle."""
    return _join_brand_and_model(information) or information.get("displayName")


def _join_brand_and_model(information: EnodeVehicle) -> str | None:
    return " ".join(str(part) for part in (information.get("brand"), information.get("model")) if part) or None


def _get_group(vehicle: EnodeVehicle, name: str) -> Mapping[str, Any]:
    group = vehicle.get(name)
    return group if isinstance(group, dict) else {}
