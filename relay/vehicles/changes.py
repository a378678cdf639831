"""Compute how one report or limit changes a vehicle. Pure functions."""

from dataclasses import replace
from datetime import datetime
from uuid import UUID, uuid4

from relay.gateways.enode.json_fields import parse_bool, parse_datetime
from relay.kit.json_object import JsonObject
from relay.vehicles.corrections import derive_corrections, remember_odometer
from relay.vehicles.merge import merge_report, parse_version_time
from relay.vehicles.models import ChargeFlags, LinkState, Vehicle, VehicleChange, VehicleLink, VehicleReport
from relay.vehicles.object_limits import limit_state
from relay.vehicles.plausibility.stage import PlausibilityMemory
from relay.vehicles.transitions import detect_transitions, parse_charge_flags, retain_known_flags


def create_vehicle(user_id: UUID, at: datetime) -> Vehicle:
    """A new vehicle without state."""
    return Vehicle(id=uuid4(), user_id=user_id, link_since=at)


def create_link(vehicle: Vehicle, report: VehicleReport) -> VehicleLink:
    """A new live link between `vehicle` and the Enode vehicle in `report`."""
    at = report.created_at
    return VehicleLink(enode_vehicle_id=report.enode_vehicle_id, vehicle_id=vehicle.id, linked_at=at, seen_at=at)


def merge_vehicle_report(vehicle: Vehicle, report: VehicleReport) -> Vehicle:
    """`vehicle` with the state after `report`, not corrected yet."""
    memory = remember_odometer(vehicle.corrected.memory, report)
    corrected = replace(vehicle.corrected, memory=memory)
    return replace(vehicle, state=limit_state(merge_report(vehicle.state, report)), corrected=corrected)


def apply_report(vehicle: Vehicle, report: VehicleReport, plausibility: PlausibilityMemory | None = None) -> Vehicle:
    """`vehicle` with the state after `report`, corrected. Live data newer than the break repairs a broken link.

    `plausibility` is that of the vehicle's newest sample after this report.
    """
    return correct_vehicle(merge_vehicle_report(vehicle, report), report, plausibility or PlausibilityMemory())


def correct_vehicle(vehicle: Vehicle, report: VehicleReport, plausibility: PlausibilityMemory) -> Vehicle:
    """`vehicle`, which has the state after `report`, corrected. The second half of apply_report."""
    corrected = derive_corrections(vehicle.state, plausibility, vehicle.corrected.memory)
    vehicle = replace(vehicle, corrected=corrected)
    live_at = _get_last_live_at(vehicle.corrected_groups, report)
    if vehicle.link_state == "broken" and live_at is not None and live_at > vehicle.link_since:
        return replace(vehicle, link_state="ok", link_since=report.created_at)
    if vehicle.broken_at is not None and live_at is not None and live_at > vehicle.broken_at:
        return replace(vehicle, broken_at=None)
    return vehicle


def review_corrections(vehicle: Vehicle, plausibility: PlausibilityMemory, now: datetime) -> VehicleChange:
    """The change of a vehicle because time has passed: a level is no longer held, or charging has expired."""
    corrected = derive_corrections(vehicle.state, plausibility, vehicle.corrected.memory, as_of=now)
    return build_change(vehicle, replace(vehicle, corrected=corrected), (), now)


def correct_again(vehicle: Vehicle, plausibility: PlausibilityMemory) -> Vehicle:
    """`vehicle` corrected again by its samples, without a report. That is no transition."""
    corrected = derive_corrections(vehicle.state, plausibility, vehicle.corrected.memory)
    after = replace(vehicle, corrected=corrected)
    flags = parse_charge_flags(after.corrected_groups)
    return replace(after, last_known=retain_known_flags(vehicle.last_known, flags))


def apply_limit(vehicle: Vehicle, at: datetime, *, served: bool) -> VehicleChange | None:
    """The change that makes a vehicle served or over the plan's limit; None when it is so already."""
    if served == (vehicle.link_state != "over_limit"):
        return None
    if not served:
        broken_at = vehicle.link_since if vehicle.link_state == "broken" else None
        after = replace(vehicle, link_state="over_limit", link_since=at, broken_at=broken_at)
    else:
        state: LinkState = "broken" if vehicle.broken_at else "ok"
        after = replace(vehicle, link_state=state, link_since=vehicle.broken_at or at, broken_at=None)
    return VehicleChange(before=vehicle, after=after, occurred_at=at)


def build_change(
    before: Vehicle | None, after: Vehicle, changed_links: tuple[VehicleLink, ...], at: datetime
) -> VehicleChange:
    """The change from `before` to `after`, with the transitions between them and the time at which they occurred."""
    existed = before is not None and before.gone_at is None
    flags = parse_charge_flags(after.corrected_groups)
    last_known = after.last_known if existed else ChargeFlags()
    kinds = detect_transitions(last_known, flags) if after.gone_at is None else ()
    charge_time = _get_charge_time(after)
    if before is not None and before.corrected.overlay and _get_charge_time(before) == charge_time:
        charge_time = None  # The charge state is the same: a correction has ended, and the transition occurs now.
    return VehicleChange(
        before=before,
        after=replace(after, last_known=retain_known_flags(last_known, flags)),
        links=changed_links,
        transition_kinds=kinds,
        occurred_at=charge_time or at,
    )


def _get_last_live_at(groups: JsonObject, report: VehicleReport) -> datetime | None:
    # Enode also sends `updated` when credentials become invalid; only live data or a new link proves that they work.
    if report.is_partial:
        return report.created_at
    reachable = parse_bool(report.vehicle, "isReachable") is True
    seen_at = parse_datetime(groups, "lastSeen")
    return min(seen_at, report.created_at) if seen_at else (report.created_at if reachable else None)


def _get_charge_time(vehicle: Vehicle) -> datetime | None:
    version = vehicle.state.versions.get("chargeState")
    return parse_version_time(version) if version else None
