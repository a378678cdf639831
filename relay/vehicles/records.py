"""Vehicles and commands as JSON of the API, from database rows."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Literal, NotRequired, TypedDict

from relay.kit.timestamps import format_timestamp
from relay.vehicles.charging.session_records import NewestSessionsRecord, render_newest_sessions
from relay.vehicles.display_name import select_display_members


class Reason(TypedDict):
    """Why a command failed: Enode's or our error type, and a sentence for people."""

    type: str
    detail: str


class CommandRecord(TypedDict):
    """A command and its progress."""

    id: str
    vehicle_id: str
    kind: Literal["START", "STOP", "MAX_CURRENT"]
    # The requested current of MAX_CURRENT.
    amps: float | None
    state: Literal["sending", "pending", "confirmed", "failed", "cancelled", "unknown"]
    reason: Reason | None
    requested_at: str
    settled_at: str | None


class LinkRecord(TypedDict):
    """Whether Enode still has access to the vehicle, or the vehicle is over the plan's limit."""

    state: Literal["ok", "broken", "over_limit"]
    since: str


class EnergyCostRecord(TypedDict):
    """What charging has cost since `since`, in the currency that was used last. It may decrease."""

    amount: float
    currency: str
    since: str


class EnergyRecord(TypedDict):
    """kWh charged since the vehicle was first seen, and discharged by V2X; never decreasing.

    `home_kwh` is null until a home is set, and `cost` until energy was charged at a known price.
    """

    lifetime_kwh: float
    home_kwh: float | None
    discharged_kwh: float
    cost: EnergyCostRecord | None


class SmartChargingPlanRecord(TypedDict):
    """When charging stops and starts again by the plan, and what it costs with and without the plan."""

    stop_at: str | None
    start_at: str | None
    estimated_finish_at: str | None
    ended_at: str | None
    currency: str | None
    cost: float | None
    cost_without_plan: float | None


class SmartChargingRecord(TypedDict):
    """Enode's smart charging state of the vehicle, with Enode's name for it. `plan`: the current one, if there is one.

    `overridden` is there while the vehicle charges regardless of the plan.
    """

    state: str
    since: str | None
    plan: NotRequired[SmartChargingPlanRecord]
    overridden: NotRequired[bool]


class InterventionRecord(TypedDict):
    """A step that the user must take to enable more features, in the user's language. `description` is Markdown."""

    id: str
    title: str | None
    description: str | None
    access: str | None
    agent: str | None
    action: str | None


class VehicleRecord(TypedDict):
    """A vehicle: our id and revision, and Enode's vehicle object. `corrections` names the corrections applied to it.

    `former_ids` are all other ids that Enode ever gave the vehicle, a new one each time it is linked, oldest first.
    """

    id: str
    former_ids: list[str]
    revision: int
    link: LinkRecord
    vehicle: dict[str, Any]
    corrections: list[str]
    smart_charging: SmartChargingRecord | None
    interventions: list[InterventionRecord]
    command: CommandRecord | None
    energy: EnergyRecord | None
    charging_sessions: NewestSessionsRecord


def render_vehicle_record(row: Mapping[str, Any]) -> VehicleRecord:
    """A vehicle as JSON. `row` has columns of `vehicles`, corrections applied.

    `row["command"]` is a row of `commands`, or None.
    """
    over_limit = row["link_state"] == "over_limit"
    command = row["command"]
    vehicle = select_display_members(row["vehicle_cache"]) if over_limit else row["vehicle_cache"]
    return {
        "id": str(row["id"]),
        "former_ids": list_former_ids(row["enode_ids"], vehicle),
        "revision": row["revision"],
        "link": render_link_record(row),
        "vehicle": vehicle,
        "corrections": [] if over_limit else list(row["corrections"]),
        "smart_charging": None if over_limit else _render_smart_charging(row["smart_charging"]),
        "interventions": [] if over_limit else list(row["interventions"] or ()),
        "command": None if over_limit or command is None else render_command_record(command),
        "energy": None if over_limit else render_energy_record(row),
        "charging_sessions": render_newest_sessions(None if over_limit else row["newest_sessions"]),
    }


def list_former_ids(enode_ids: Iterable[str], vehicle: Mapping[str, Any]) -> list[str]:
    """The ids that Enode gave a vehicle, without the one that its object `vehicle` has, if any."""
    return [enode_id for enode_id in enode_ids if enode_id != vehicle.get("id")]


def render_link_record(row: Mapping[str, Any]) -> LinkRecord:
    """The state of a vehicle's link. `row` has columns of `vehicles`."""
    return {"state": row["link_state"], "since": format_timestamp(row["link_since"])}


def render_energy_record(row: Mapping[str, Any]) -> EnergyRecord | None:
    """A vehicle's energy counters; None for a vehicle that has never reported anything about charging."""
    if row["lifetime_kwh"] is None:
        return None
    home_kwh = row["home_kwh"]
    return {
        "lifetime_kwh": round(row["lifetime_kwh"], 3),
        "home_kwh": None if home_kwh is None else round(home_kwh, 3),
        "discharged_kwh": round(row["discharged_kwh"], 3),
        "cost": _render_energy_cost(row["energy_cost"]),
    }


def render_command_record(row: Mapping[str, Any]) -> CommandRecord:
    """A command as JSON, from a row of `commands`."""
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


def _render_energy_cost(stored: Mapping[str, Any] | None) -> EnergyCostRecord | None:
    if stored is None:
        return None
    since = format_timestamp(datetime.fromisoformat(stored["since"]))
    return {"amount": round(stored["amount"], 4), "currency": stored["currency"], "since": since}


def _render_smart_charging(stored: Mapping[str, Any] | None) -> SmartChargingRecord | None:
    if stored is None:
        return None
    since, plan = stored["since"], stored.get("plan")
    record: SmartChargingRecord = {
        "state": stored["state"],
        "since": since and format_timestamp(datetime.fromisoformat(since)),
    }
    if plan:
        record["plan"] = plan
    if stored.get("is_overridden"):
        record["overridden"] = True
    return record
