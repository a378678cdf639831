"""Vehicles as JSON of the classic API: Enode's state groups, and some of their members as flat keys beside them.

Every key is always present. An unknown member is null, an unknown group is an empty object.
"""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

type EnodeVehicle = Mapping[str, Any]
"""Enode's vehicle object with corrections applied, as a user sees it."""


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
        "information": _get_group(vehicle, "information"),
        "location": location if is_located else None,
        "odometer": _get_group(vehicle, "odometer"),
        "vendor": vehicle.get("vendor"),
        "smartChargingPolicy": _get_group(vehicle, "smartChargingPolicy"),
    }


def _get_vehicle_name(information: EnodeVehicle) -> str | None:
    """Brand and model, else the name that the owner gave the vehicle."""
    model = " ".join(str(part) for part in (information.get("brand"), information.get("model")) if part)
    return model or information.get("displayName")


def _get_group(vehicle: EnodeVehicle, name: str) -> Mapping[str, Any]:
    group = vehicle.get(name)
    return group if isinstance(group, dict) else {}
