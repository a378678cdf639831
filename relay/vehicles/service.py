"""What an event of Enode's means for a user's cars: decided here, written by whoever gives it its place in the feed.

Which car is it?
* An Enode id that we know: the car it was linked to.
* An unknown one whose VIN equals that of a car this user has, or ever had: a new link of that car. `discovered` of the
  new id may come before `deleted` of the old one; the car is gone only while no link of it is live.
* Otherwise a new car.
* A car whose VIN becomes known late, and is that of another car: they are one. The one that had the VIN first keeps its
  id, because automations and history hang on it; it takes over the links and what was seen, and the other one goes.
* A VIN once known is not changed: the id at Enode says more than a correction by a vendor.
"""

from dataclasses import replace
from datetime import datetime
from uuid import UUID, uuid4

from relay.gateways.enode.json_fields import parse_bool, parse_datetime, parse_object, parse_text
from relay.kit.database import Connection
from relay.vehicles import links, repository
from relay.vehicles.corrections import derive_corrections
from relay.vehicles.merge import merge_report, merge_states, parse_version_time
from relay.vehicles.models import (
    ChargeFlags,
    Json,
    LinkState,
    SmartCharging,
    Vehicle,
    VehicleChange,
    VehicleLink,
    VehicleReport,
)
from relay.vehicles.transitions import detect_transitions, parse_charge_flags, retain_known_flags
from relay.vehicles.vin import hash_vin

REASON_DELETED = "deleted"
REASON_SAME_VEHICLE = "same_car"


class ForeignVehicleError(Exception):
    """An Enode vehicle is linked to a car of another user. The message names only our id of that car."""


async def apply_vehicle_report(
    connection: Connection, user_id: UUID, report: VehicleReport, *, vin_key: bytes
) -> list[VehicleChange]:
    """Enode shows a vehicle. Raises ForeignVehicleError."""
    vin = hash_vin(vin_key, parse_text(parse_object(report.vehicle, "information") or {}, "vin"))
    found = await _find_linked(connection, user_id, report.enode_vehicle_id)
    holder = None
    if vin and (found is None or found[0].vin_hash is None):
        holder = await repository.find_by_vin(connection, user_id, vin)
    if found is None:
        before = holder
        car = holder or _create_vehicle(user_id, report.created_at)
        link = _create_link(car, report)
    else:
        before, link = found
        if holder is not None:
            return await _merge_vehicles(connection, holder, before, link, report)
        car = before
    car = replace(car, vin_hash=car.vin_hash or vin)
    link = links.mark_seen(link, report.created_at)
    if link.is_live:  # a tombstone says nothing about the car's other links
        car = links.update_gone_state(car, [link], report.created_at, REASON_DELETED)
    return [_build_change(before, _update_vehicle(car, report), (link,), report.created_at)]


async def apply_vehicle_deletion(
    connection: Connection, user_id: UUID, report: VehicleReport, *, vin_key: bytes
) -> list[VehicleChange]:
    """Enode says that a vehicle is deleted; `sighting` is what it says it was. Raises ForeignVehicleError."""
    at = report.created_at
    found = await _find_linked(connection, user_id, report.enode_vehicle_id)
    if found is None:
        return await _create_tombstone(connection, user_id, report, vin_key)
    before, link = found
    ended = links.mark_ended(link, at)
    if ended == link:
        return []
    others = [
        it for it in await repository.list_links(connection, before.id) if it.enode_vehicle_id != link.enode_vehicle_id
    ]
    return [_build_change(before, links.update_gone_state(before, [ended, *others], at, REASON_DELETED), (ended,), at)]


async def break_links(connection: Connection, user_id: UUID, vendor: str, at: datetime) -> list[VehicleChange]:
    """Credentials of a vendor became invalid: its cars say nothing new until the user links again.

    A car that has said something since `at` has been linked again already.
    """
    changes = []
    for car in await repository.list_by_vendor(connection, user_id, vendor):
        alive_at = parse_datetime(car.corrected_groups, "lastSeen")
        if alive_at is not None and alive_at >= at:
            continue
        if car.link_state == "over_limit":
            broken_at = max(at, car.broken_at or at)
            changes.append(VehicleChange(before=car, after=replace(car, broken_at=broken_at), occurred_at=at))
            continue
        since = max(at, car.link_since) if car.link_state == "broken" else at
        changes.append(_build_change(car, replace(car, link_state="broken", link_since=since), (), at))
    return changes


async def update_smart_charging(
    connection: Connection, user_id: UUID, enode_vehicle_id: str, status: SmartCharging
) -> list[VehicleChange]:
    """Enode's smart charging got further with a car; the newest wins. Raises ForeignVehicleError."""
    found = await _find_linked(connection, user_id, enode_vehicle_id)
    if found is None:
        return []
    car = found[0]
    if car.smart_charging is not None and car.smart_charging.as_of >= status.as_of:
        return []
    return [VehicleChange(before=car, after=replace(car, smart_charging=status), occurred_at=status.as_of)]


async def _find_linked(
    connection: Connection, user_id: UUID, enode_vehicle_id: str
) -> tuple[Vehicle, VehicleLink] | None:
    found = await repository.find_linked(connection, enode_vehicle_id)
    if found is not None and found[0].user_id != user_id:
        raise ForeignVehicleError(str(found[0].id))
    return found


async def _merge_vehicles(
    connection: Connection, kept: Vehicle, duplicate: Vehicle, link: VehicleLink, report: VehicleReport
) -> list[VehicleChange]:
    """`doubled`, linked by `link`, turns out to be the car that `holder` is."""
    at = report.created_at
    moved = tuple(
        replace(links.mark_seen(it, at) if it.enode_vehicle_id == link.enode_vehicle_id else it, vehicle_id=kept.id)
        for it in await repository.list_links(connection, duplicate.id)
    )
    car = replace(kept, state=merge_states(kept.state, duplicate.state))
    if any(it.is_live for it in moved):
        car = links.update_gone_state(car, moved, at, REASON_DELETED)
    return [
        _build_change(duplicate, links.update_gone_state(duplicate, (), at, REASON_SAME_VEHICLE), (), at),
        _build_change(kept, _update_vehicle(car, report), moved, at),
    ]


async def _create_tombstone(
    connection: Connection, user_id: UUID, report: VehicleReport, vin_key: bytes
) -> list[VehicleChange]:
    """A tombstone for a vehicle that nobody showed us yet, or its late `discovered` would raise a ghost."""
    at = report.created_at
    vin = hash_vin(vin_key, parse_text(parse_object(report.vehicle, "information") or {}, "vin"))
    holder = await repository.find_by_vin(connection, user_id, vin) if vin else None
    car = holder or replace(
        _update_vehicle(_create_vehicle(user_id, at), report), vin_hash=vin, gone_at=at, gone_reason=REASON_DELETED
    )
    return [_build_change(holder, car, (replace(_create_link(car, report), ended_at=at),), at)]


def _create_vehicle(user_id: UUID, at: datetime) -> Vehicle:
    return Vehicle(id=uuid4(), user_id=user_id, link_since=at)


def _create_link(vehicle: Vehicle, report: VehicleReport) -> VehicleLink:
    at = report.created_at
    return VehicleLink(enode_vehicle_id=report.enode_vehicle_id, vehicle_id=vehicle.id, linked_at=at, seen_at=at)


def _update_vehicle(vehicle: Vehicle, report: VehicleReport) -> Vehicle:
    """`car` after what the sighting says of it; a broken link is whole again when the car has spoken since."""
    state = merge_report(vehicle.state, report)
    vehicle = replace(vehicle, state=state, corrected=derive_corrections(vehicle.corrected.memory, state))
    spoke_at = _get_last_live_at(vehicle.corrected_groups, report)
    if vehicle.link_state == "broken" and spoke_at is not None and spoke_at > vehicle.link_since:
        return replace(vehicle, link_state="ok", link_since=report.created_at)
    if vehicle.broken_at is not None and spoke_at is not None and spoke_at > vehicle.broken_at:
        return replace(vehicle, broken_at=None)
    return vehicle


def apply_limit(vehicle: Vehicle, at: datetime, *, served: bool) -> VehicleChange | None:
    """The plan has room for this car, or it has not; None when that is so already."""
    if served == (vehicle.link_state != "over_limit"):
        return None
    if not served:
        broken_at = vehicle.link_since if vehicle.link_state == "broken" else None
        after = replace(vehicle, link_state="over_limit", link_since=at, broken_at=broken_at)
    else:
        state: LinkState = "broken" if vehicle.broken_at else "ok"
        after = replace(vehicle, link_state=state, link_since=vehicle.broken_at or at, broken_at=None)
    return VehicleChange(before=vehicle, after=after, occurred_at=at)


def _get_last_live_at(groups: Json, report: VehicleReport) -> datetime | None:
    # Enode also sends `updated` because credentials became invalid; only live data or a new link proves the contrary.
    if report.is_partial:
        return report.created_at
    reachable = parse_bool(report.vehicle, "isReachable") is True
    return parse_datetime(groups, "lastSeen") or (report.created_at if reachable else None)


def _build_change(
    before: Vehicle | None, after: Vehicle, changed: tuple[VehicleLink, ...], at: datetime
) -> VehicleChange:
    was_there = before is not None and before.gone_at is None
    now = parse_charge_flags(after.corrected_groups)
    last_known = after.last_known if was_there else ChargeFlags()
    kinds = detect_transitions(last_known, now) if after.gone_at is None else ()
    true_at = _get_charge_time(after)
    if before is not None and before.corrected.overlay and _get_charge_time(before) == true_at:
        true_at = None  # nothing new from the car: a correction has ended, and that is now
    return VehicleChange(
        before=before,
        after=replace(after, last_known=retain_known_flags(last_known, now)),
        links=changed,
        transition_kinds=kinds,
        occurred_at=true_at or at,
    )


def _get_charge_time(vehicle: Vehicle) -> datetime | None:
    version = vehicle.state.versions.get("chargeState", "")
    return parse_version_time(version) if version else None
