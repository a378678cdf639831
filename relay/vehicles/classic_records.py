"""Cars in the shapes of the classic service: Enode's groups, and flat keys beside them.

Keys are always there. What Enode does not say is null, a group that it does not say is empty.
"""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

type EnodeVehicle = Mapping[str, Any]
"""Enode's vehicle object as a user sees it."""


def render_status(vehicle: EnodeVehicle) -> dict[str, Any]:
    """What the classic client polls. It knows no `capabilities`: what it would do with them nobody has tried."""
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
    """The same for REST users: without the flat keys of the charge state, with what the car can do."""
    return {**_render_common_members(vehicle), "capabilities": _get_group(vehicle, "capabilities")}


def render_ha_vehicle(vehicle_id: UUID | str, vehicle: EnodeVehicle) -> dict[str, Any]:
    """A car in the list for REST users, under our id."""
    return {"vehicleId": str(vehicle_id), **_render_common_members(vehicle)}


def render_listed_vehicle(vehicle_id: UUID | str, vehicle: EnodeVehicle) -> dict[str, Any]:
    """A car to choose from: Enode's object, whose `id` the client keeps, and our own id as `db_id`."""
    return {
        "id": str(vehicle_id),  # of a car that Enode named, Enode's follows
        **vehicle,
        "information": _get_group(vehicle, "information"),
        "db_id": str(vehicle_id),
        "source": "enode",
    }


def _render_common_members(vehicle: EnodeVehicle) -> dict[str, Any]:
    place = _get_group(vehicle, "location")
    latitude, longitude = place.get("latitude"), place.get("longitude")
    located = latitude is not None and longitude is not None
    return {
        "vehicleName": _get_vehicle_name(_get_group(vehicle, "information")),
        "latitude": latitude,
        "longitude": longitude,
        "lastSeen": vehicle.get("lastSeen"),
        "isReachable": vehicle.get("isReachable"),
        "locationAvailable": located,
        "chargeState": _get_group(vehicle, "chargeState"),
        "information": _get_group(vehicle, "information"),
        "location": place if located else None,
        "odometer": _get_group(vehicle, "odometer"),
        "vendor": vehicle.get("vendor"),
        "smartChargingPolicy": _get_group(vehicle, "smartChargingPolicy"),
    }


def _get_vehicle_name(information: EnodeVehicle) -> str | None:
    """Brand and model; of a car that has neither, the name that its owner gave it."""
    made = " ".join(str(part) for part in (information.get("brand"), information.get("model")) if part)
    return made or information.get("displayName")


def _get_group(vehicle: EnodeVehicle, name: str) -> Mapping[str, Any]:
    group = vehicle.get(name)
    return group if isinstance(group, dict) else {}
