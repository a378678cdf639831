"""What is shown of a car beyond the plan's limit: enough for a person to recognise it, nothing of what it says."""

from collections.abc import Mapping
from typing import Any

DISPLAY_MEMBERS = ("brand", "model", "year", "displayName")


def select_display_members(vehicle: Mapping[str, Any]) -> dict[str, Any]:
    """Enode's vehicle object, cut down to its name."""
    information = vehicle.get("information") or {}
    return {
        "vendor": vehicle.get("vendor"),
        "information": {key: information[key] for key in DISPLAY_MEMBERS if key in information},
    }


def get_display_name(vehicle: Mapping[str, Any]) -> str:
    """What a person calls the car: the nickname, else brand and model, else the vendor."""
    information = vehicle.get("information") or {}
    nickname = information.get("displayName")
    made = " ".join(str(it) for it in (information.get("brand"), information.get("model")) if it)
    return str(nickname or made or vehicle.get("vendor") or "Car")
