"""A vehicle's name, and the members shown of a vehicle over the plan's limit: its identity but none of its state."""

from collections.abc import Mapping
from typing import Any

DISPLAY_MEMBERS = ("brand", "model", "year", "displayName")


def select_display_members(vehicle: Mapping[str, Any]) -> dict[str, Any]:
    """Enode's vehicle object, reduced to vendor, brand, model, year and name."""
    information = vehicle.get("information") or {}
    return {
        "vendor": vehicle.get("vendor"),
        "information": {key: information[key] for key in DISPLAY_MEMBERS if key in information},
    }


def get_display_name(vehicle: Mapping[str, Any]) -> str:
    """A name for people: the owner's name for the vehicle, else brand and model, else the vendor."""
    information = vehicle.get("information") or {}
    nickname = information.get("displayName")
    model = " ".join(str(part) for part in (information.get("brand"), information.get("model")) if part)
    return str(nickname or model or vehicle.get("vendor") or "Car")
