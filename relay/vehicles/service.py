"""Apply Enode's events to a user's vehicles. These functions decide the changes; the caller writes them.

Which vehicle an event is about:
* A known Enode id: the vehicle it was linked to.
* An unknown Enode id whose VIN is that of a vehicle this user has or ever had: a new link of that vehicle. `discovered`
  of the new id may arrive before `deleted` of the old one; a vehicle is gone only while none of its links is live.
* Otherwise a new vehicle.
* A vehicle whose VIN becomes known late and is that of another vehicle: both are merged. The one that had the VIN first
  keeps its id, because automations and history depend on it, and takes over links and state; the other one is gone.
* A known VIN never changes: the Enode id is more reliable than a vendor's correction.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from relay.gateways.enode.json_fields import parse_datetime, parse_object, parse_text
from relay.kit.database import Connection
from relay.vehicles import links, repository
from relay.vehicles.changes import (
    apply_report,
    build_change,
    correct_vehicle,
    create_link,
    create_vehicle,
    merge_vehicle_report,
)
from relay.vehicles.corrections import merge_odometers
from relay.vehicles.merge import merge_states
from relay.vehicles.models import SmartCharging, Vehicle, VehicleChange, VehicleLink, VehicleReport
from relay.vehicles.plausibility.stage import PlausibilityMemory
from relay.vehicles.vin import hash_vin

REASON_DELETED = "deleted"
REASON_SAME_VEHICLE = "same_car"


class ForeignVehicleError(Exception):
    """An Enode vehicle is linked to a vehicle of another user. The message has only our id of that vehicle."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ReportTarget:
    """The vehicle that a report is about: `before`, and with the report's state but without corrections yet.

    `has_new_link`: it got an Enode id that it didn't have before.
    `duplicate` is the removal of another vehicle that turned out to be this one.
    """

    before: Vehicle | None
    vehicle: Vehicle
    links: tuple[VehicleLink, ...]
    has_new_link: bool
    report: VehicleReport
    duplicate: VehicleChange | None = None

    @property
    def duplicate_id(self) -> UUID | None:
        """The id of the vehicle that turned out to be this one."""
        return None if self.duplicate is None else self.duplicate.after.id

    def build_changes(self, plausibility: PlausibilityMemory) -> list[VehicleChange]:
        """The changes by the report. `plausibility` is that of the vehicle's newest sample after it."""
        after = correct_vehicle(self.vehicle, self.report, plausibility)
        change = build_change(self.before, after, self.links, self.report.created_at)
        change = replace(change, has_new_link=self.has_new_link)
        return [change] if self.duplicate is None else [self.duplicate, change]


async def find_report_target(
    connection: Connection, user_id: UUID, report: VehicleReport, *, vin_key: bytes
) -> ReportTarget:
    """The vehicle that a report is about. Raises ForeignVehicleError."""
    vin_hash = _hash_report_vin(report, vin_key)
    linked = await _find_linked(connection, user_id, report.enode_vehicle_id)
    same_vin = None
    if vin_hash and (linked is None or linked[0].vin_hash is None):
        same_vin = await repository.find_by_vin(connection, user_id, vin_hash)
    if linked is None:
        before = same_vin
        vehicle = same_vin or create_vehicle(user_id, report.created_at)
        link = create_link(vehicle, report)
    else:
        before, link = linked
        if same_vin is not None:
            return await _merge_vehicles(connection, same_vin, before, link, report)
        vehicle = before
    vehicle = replace(vehicle, vin_hash=vehicle.vin_hash or vin_hash)
    link = links.mark_seen(link, report.created_at)
    if link.is_live:  # An ended link says nothing about the vehicle's other links.
        vehicle = links.update_gone_state(vehicle, [link], report.created_at, REASON_DELETED)
    return ReportTarget(
        before=before,
        vehicle=merge_vehicle_report(vehicle, report),
        links=(link,),
        has_new_link=linked is None,
        report=report,
    )


async def apply_vehicle_deletion(
    connection: Connection, user_id: UUID, report: VehicleReport, *, vin_key: bytes
) -> list[VehicleChange]:
    """The changes by a deletion at Enode; `report` is the vehicle's last state. Raises ForeignVehicleError."""
    at = report.created_at
    linked = await _find_linked(connection, user_id, report.enode_vehicle_id)
    if linked is None:
        return await _create_tombstone(connection, user_id, report, vin_key)
    before, link = linked
    ended = links.mark_ended(link, at)
    if ended == link:
        return []
    others = [
        other
        for other in await repository.list_links(connection, before.id)
        if other.enode_vehicle_id != link.enode_vehicle_id
    ]
    return [build_change(before, links.update_gone_state(before, [ended, *others], at, REASON_DELETED), (ended,), at)]


async def break_links(connection: Connection, user_id: UUID, vendor: str, at: datetime) -> list[VehicleChange]:
    """The changes when a vendor's credentials became invalid at `at`: its vehicles stop reporting until relinked.

    A vehicle that has reported since `at` is left alone: it has been linked again already.
    """
    changes = []
    for vehicle in await repository.list_by_vendor(connection, user_id, vendor):
        last_seen = parse_datetime(vehicle.corrected_groups, "lastSeen")
        if last_seen is not None and last_seen >= at:
            continue
        if vehicle.link_state == "over_limit":
            after = replace(vehicle, broken_at=max(at, vehicle.broken_at or at))
            changes.append(VehicleChange(before=vehicle, after=after, occurred_at=at))
            continue
        since = max(at, vehicle.link_since) if vehicle.link_state == "broken" else at
        changes.append(build_change(vehicle, replace(vehicle, link_state="broken", link_since=since), (), at))
    return changes


async def update_smart_charging(
    connection: Connection, user_id: UUID, enode_vehicle_id: str, status: SmartCharging
) -> list[VehicleChange]:
    """The changes by an event of Enode's smart charging; the newest one wins. Raises ForeignVehicleError."""
    linked = await _find_linked(connection, user_id, enode_vehicle_id)
    if linked is None:
        return []
    vehicle = linked[0]
    if vehicle.smart_charging is not None and vehicle.smart_charging.as_of >= status.as_of:
        return []
    return [VehicleChange(before=vehicle, after=replace(vehicle, smart_charging=status), occurred_at=status.as_of)]


def _hash_report_vin(report: VehicleReport, vin_key: bytes) -> bytes | None:
    return hash_vin(vin_key, parse_text(parse_object(report.vehicle, "information") or {}, "vin"))


async def _find_linked(
    connection: Connection, user_id: UUID, enode_vehicle_id: str
) -> tuple[Vehicle, VehicleLink] | None:
    linked = await repository.find_linked(connection, enode_vehicle_id)
    if linked is not None and linked[0].user_id != user_id:
        raise ForeignVehicleError(str(linked[0].id))
    return linked


async def _merge_vehicles(
    connection: Connection, kept: Vehicle, duplicate: Vehicle, link: VehicleLink, report: VehicleReport
) -> ReportTarget:
    """Merge `duplicate`, which is linked by `link`, into `kept`: they turned out to be the same vehicle."""
    at = report.created_at
    moved = tuple(
        replace(links.mark_seen(old, at) if old.enode_vehicle_id == link.enode_vehicle_id else old, vehicle_id=kept.id)
        for old in await repository.list_links(connection, duplicate.id)
    )
    memory = merge_odometers(kept.corrected.memory, duplicate.corrected.memory)
    vehicle = replace(
        kept,
        state=merge_states(kept.state, duplicate.state),
        corrected=replace(kept.corrected, memory=memory),
    )
    if any(moved_link.is_live for moved_link in moved):
        vehicle = links.update_gone_state(vehicle, moved, at, REASON_DELETED)
    return ReportTarget(
        before=kept,
        vehicle=merge_vehicle_report(vehicle, report),
        links=moved,
        has_new_link=True,
        report=report,
        duplicate=build_change(duplicate, links.update_gone_state(duplicate, (), at, REASON_SAME_VEHICLE), (), at),
    )


async def _create_tombstone(
    connection: Connection, user_id: UUID, report: VehicleReport, vin_key: bytes
) -> list[VehicleChange]:
    """An ended link for an unknown Enode vehicle that was deleted.

    Without it, a `discovered` event that arrives late would create the vehicle again.
    """
    at = report.created_at
    vin_hash = _hash_report_vin(report, vin_key)
    same_vin = await repository.find_by_vin(connection, user_id, vin_hash) if vin_hash else None
    vehicle = same_vin or replace(
        apply_report(create_vehicle(user_id, at), report), vin_hash=vin_hash, gone_at=at, gone_reason=REASON_DELETED
    )
    change = build_change(same_vin, vehicle, (replace(create_link(vehicle, report), ended_at=at),), at)
    return [replace(change, has_new_link=True)]
