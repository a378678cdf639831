"""Newer wins, group by group: whatever the order and however often events come, the same vehicle results.

Enode's object is a handful of groups (`chargeState`, `location`, `information`, …). A group is replaced whole, nulls
included. Its version is when it was true: `lastUpdated` for groups that carry one, but never later than the event that
says so; the event's own time for all else. Ties go to the newer event, then to the one stored later. So every group is
a register that keeps its greatest version, which is what makes the order of events not matter.

A `discovered` knows a name and little else. It writes member by member, and what it says nothing about gets the lowest
version, which fills a hole and never replaces anything.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from relay.gateways.enode.json_fields import parse_datetime
from relay.vehicles.models import GroupVersion, Json, VehicleReport, VehicleState

GROUPS_WITH_OWN_TIME = frozenset({"chargeState", "location", "odometer"})
"""Groups with a `lastUpdated` of their own. `lastSeen` is its own clock."""

# What Enode writes where it knows nothing: in a `discovered` these are as good as null.
EMPTY_VALUES: tuple[object, ...] = (None, "UNKNOWN", {}, [], {"isCapable": False, "interventionIds": []})

UNKNOWN_TIME = " " * 26  # sorts before every time


def format_version_time(at: datetime) -> str:
    """A time as 26 characters that sort as times do."""
    return at.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds")


def parse_version_time(version: GroupVersion) -> datetime | None:
    """When a value of this version was true."""
    text = version[: len(UNKNOWN_TIME)]
    return None if text == UNKNOWN_TIME else datetime.fromisoformat(text).replace(tzinfo=UTC)


def merge_report(state: VehicleState, report: VehicleReport) -> VehicleState:
    """`state` after `sighting`. Total: any JSON object is merged; seeing the same sighting again changes nothing."""
    registers = _Registers(state)
    for name, value in report.vehicle.items():
        at = _get_valid_at(name, value, report)
        if report.is_partial and isinstance(value, dict) and value:
            for leaf, said in value.items():
                registers.write_leaf(name, leaf, said, _build_version(at, said, report))
        else:
            registers.write_group(name, value, _build_version(at, value, report))
    return registers.to_state()


def merge_states(state: VehicleState, other: VehicleState) -> VehicleState:
    """`state` after everything that made `other`, when two records turn out to be of one car."""
    registers = _Registers(state)
    for name, version in other.versions.items():
        registers.write_group(name, other.groups[name], version)
    for name, leaves in other.leaves.items():
        for leaf, version in leaves.items():
            registers.write_leaf(name, leaf, other.groups[name][leaf], version)
    return registers.to_state()


def _get_valid_at(name: str, group: Any, report: VehicleReport) -> datetime | None:
    """When what `sighting` says of a group was true; None for a `lastSeen` that is no time."""
    if name == "lastSeen":
        seen = parse_datetime(report.vehicle, "lastSeen")
        return seen and min(seen, report.created_at)
    updated = parse_datetime(group, "lastUpdated") if name in GROUPS_WITH_OWN_TIME and isinstance(group, dict) else None
    return min(updated or report.created_at, report.created_at)


def _build_version(at: datetime | None, value: Any, report: VehicleReport) -> GroupVersion:
    knows = at is not None and not (report.is_partial and value in EMPTY_VALUES)
    updated_at = format_version_time(at) if at and knows else UNKNOWN_TIME
    return f"{updated_at} {format_version_time(report.created_at)} {report.event_id:019d}"


class _Registers:
    """A state being written to. A group's own value, and members written after it; each keeps its greatest version."""

    def __init__(self, state: VehicleState) -> None:
        self._groups: dict[str, Any] = dict(state.groups)
        self._versions: dict[str, GroupVersion] = dict(state.versions)
        self._leaves: dict[str, Mapping[str, GroupVersion]] = dict(state.leaves)

    def to_state(self) -> VehicleState:
        return VehicleState(groups=self._groups, versions=self._versions, leaves=self._leaves)

    def write_group(self, name: str, value: Any, version: GroupVersion) -> None:
        if version <= self._versions.get(name, ""):
            return
        newer = {leaf: it for leaf, it in self._leaves.pop(name, {}).items() if it > version}
        if newer:
            value = _copy_members(value) | {leaf: self._groups[name][leaf] for leaf in newer}
            self._leaves[name] = newer
        self._groups[name] = value
        self._versions[name] = version

    def write_leaf(self, name: str, leaf: str, value: Any, version: GroupVersion) -> None:
        leaves = self._leaves.get(name, {})
        if version <= max(self._versions.get(name, ""), leaves.get(leaf, "")):
            return
        self._groups[name] = _copy_members(self._groups.get(name)) | {leaf: value}
        self._leaves[name] = {**leaves, leaf: version}


def _copy_members(value: Json | Any) -> dict[str, Any]:
    return dict(value) if isinstance(value, dict) else {}
