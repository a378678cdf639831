"""Cars and commands as they cross the wire, from rows of the database."""

from collections.abc import Mapping
from typing import Any

from relay.kit.times import wire_time

# Of a car beyond the plan's limit: enough for a person to recognise it, nothing of what it says or where it is.
SHOWN_OF_INFORMATION = ("brand", "model", "year", "displayName")


def vehicle_record(row: Mapping[str, Any]) -> dict[str, Any]:
    """A VehicleRecord. `row` has columns of `vehicles`; `command` is a row of `commands` or None."""
    over_limit = row["link_state"] == "over_limit"
    command = row["command"]
    return {
        "id": str(row["id"]),
        "revision": row["revision"],
        "link": {"state": row["link_state"], "since": wire_time(row["link_since"])},
        "vehicle": _recognisable(row["vehicle_cache"]) if over_limit else row["vehicle_cache"],
        "corrections": [] if over_limit else list(row["corrections"]),
        "command": None if over_limit or command is None else command_record(command),
    }


def command_record(row: Mapping[str, Any]) -> dict[str, Any]:
    """A Command, from a row with columns of `commands`."""
    settled_at = row["settled_at"]
    return {
        "id": str(row["id"]),
        "vehicle_id": str(row["vehicle_id"]),
        "kind": row["kind"],
        "state": row["state"],
        "reason": row["reason"],
        "requested_at": wire_time(row["requested_at"]),
        "settled_at": None if settled_at is None else wire_time(settled_at),
    }


def _recognisable(vehicle: Mapping[str, Any]) -> dict[str, Any]:
    information = vehicle.get("information") or {}
    return {
        "vendor": vehicle.get("vendor"),
        "information": {key: information[key] for key in SHOWN_OF_INFORMATION if key in information},
    }
