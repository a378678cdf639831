"""Cars and commands as they cross the wire, from rows of the database."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal, TypedDict

from relay.kit.timestamps import format_timestamp
from relay.vehicles.display_name import select_display_members


class Reason(TypedDict):
    """Why a command failed: Enode's (or our) word for it, and a sentence for a person."""

    type: str
    detail: str


class CommandRecord(TypedDict):
    """What a car was asked, and how far that got."""

    id: str
    vehicle_id: str
    kind: Literal["START", "STOP", "MAX_CURRENT"]
    # What MAX_CURRENT asks for.
    amps: float | None
    state: Literal["sending", "pending", "confirmed", "failed", "cancelled", "unknown"]
    reason: Reason | None
    requested_at: str
    settled_at: str | None


class LinkRecord(TypedDict):
    """Whether Enode still has access to the car."""

    state: Literal["ok", "broken", "over_limit"]
    since: str


class EnergyRecord(TypedDict):
    """kWh charged since the car is known; they never fall. `home_kwh` is null until the user says where home is."""

    lifetime_kwh: float
    home_kwh: float | None


class SmartChargingRecord(TypedDict):
    """What Enode's smart charging does with the car, in Enode's word."""

    state: str
    since: str | None


class InterventionRecord(TypedDict):
    """What a person must do before the car can do more, in the user's language; `description` is Markdown."""

    id: str
    title: str | None
    description: str | None
    access: str | None
    agent: str | None
    action: str | None


class VehicleRecord(TypedDict):
    """A car: our id and revision for it, and Enode's vehicle object. `corrections` names what was put right in it."""

    id: str
    revision: int
    link: LinkRecord
    vehicle: dict[str, Any]
    corrections: list[str]
    smart_charging: SmartChargingRecord | None
    interventions: list[InterventionRecord]
    command: CommandRecord | None
    energy: EnergyRecord | None


def render_vehicle_record(row: Mapping[str, Any]) -> VehicleRecord:
    """A VehicleRecord. `row` has columns of `vehicles`, corrected; `command` is a row of `commands` or None."""
    over_limit = row["link_state"] == "over_limit"
    command = row["command"]
    return {
        "id": str(row["id"]),
        "revision": row["revision"],
        "link": {"state": row["link_state"], "since": format_timestamp(row["link_since"])},
        "vehicle": select_display_members(row["vehicle_cache"]) if over_limit else row["vehicle_cache"],
        "corrections": [] if over_limit else list(row["corrections"]),
        "smart_charging": None if over_limit else _render_smart_charging(row["smart_charging"]),
        "interventions": [] if over_limit else list(row["interventions"] or ()),
        "command": None if over_limit or command is None else render_command_record(command),
        "energy": None if over_limit else render_energy_record(row["lifetime_kwh"], row["home_kwh"]),
    }


def render_energy_record(lifetime_kwh: float | None, home_kwh: float | None) -> EnergyRecord | None:
    """A car's counters; None for a car that has never said anything of charging."""
    if lifetime_kwh is None:
        return None
    return {"lifetime_kwh": round(lifetime_kwh, 3), "home_kwh": None if home_kwh is None else round(home_kwh, 3)}


def render_command_record(row: Mapping[str, Any]) -> CommandRecord:
    """A Command, from a row with columns of `commands`."""
    settled_at = row["settled_at"]
    return {
        "id": str(row["id"]),
        "vehicle_id": str(row["vehicle_id"]),
        "kind": row["kind"],
        "amps": row["amps"],
        "state": row["state"],
        "reason": row["reason"],
        "requested_at": format_timestamp(row["requested_at"]),
        "settled_at": None if settled_at is None else format_timestamp(settled_at),
    }


def _render_smart_charging(kept: Mapping[str, Any] | None) -> SmartChargingRecord | None:
    if kept is None:
        return None
    since = kept["since"]
    return {"state": kept["state"], "since": since and format_timestamp(datetime.fromisoformat(since))}
