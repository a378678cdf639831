"""Merge reports into a vehicle's state, so that neither the order of events nor repeated events matter. Pure functions.

Enode's vehicle object consists of state groups (`chargeState`, `location`, `information`, …). A group is replaced as a
whole, nulls included, by one with a greater version (a last-writer-wins register). The version is the time at which the
group was true: `lastUpdated` for groups that have it, but never later than their event; the event's time for all
others. Ties go to the newer event, then to the one stored later.

While a vehicle can't be reached, a group whose readings are all null or UNKNOWN doesn't erase what is known, unless the
scope that covers it was revoked (docs/decisions/0020). The settings in it, as the charge limit, are merged by member.

A `user:vehicle:discovered` event has the name and little else. It is merged member by member, and its empty members
get the lowest version: they add missing members but never replace anything.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from relay.gateways.enode.json_fields import parse_datetime
from relay.kit.json_object import JsonObject
from relay.vehicles.models import GroupVersion, VehicleReport, VehicleState

GROUPS_WITH_OWN_TIME = frozenset({"chargeState", "location", "odometer"})
"""Groups with a `lastUpdated` of their own. (`lastSeen` is a plain time and its own version.)"""

SCOPE_OF_GROUP: Mapping[str, str] = {
    "chargeState": "vehicle:read:data",
    "odometer": "vehicle:read:data",
    "information": "vehicle:read:data",
    "location": "vehicle:read:location",
}
"""Groups that a vehicle which can't be reached may report as unknown, and the scope that is needed to read them."""

SETTINGS_OF_GROUP: Mapping[str, frozenset[str]] = {
    "chargeState": frozenset({"batteryCapacity", "chargeLimit", "maxCurrent"}),
}
"""Members that a maker's cloud knows without reading the vehicle. They don't show that the others were read."""
DERIVED_MEMBERS = frozenset({"pluggedInChargerId", "id"})
"""Members that Enode adds from its other assets: the charger, and the location at which the vehicle was last."""
DEFAULT_VALUES: Mapping[str, object] = {"isFullyCharged": False}
"""Values that are also derived from unknown ones: no level is full."""

# What Enode writes for unknown values: in a `discovered` event they are treated like null.
EMPTY_VALUES: tuple[object, ...] = (None, "UNKNOWN", {}, [], {"isCapable": False, "interventionIds": []})

UNKNOWN_TIME = " " * 26  # sorts before any time


def format_version_time(at: datetime) -> str:
    """A time as text of 26 characters whose order is that of the times."""
    return at.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds")


def parse_version_time(version: GroupVersion) -> datetime | None:
    """The time at which a value of this version was true; None if unknown."""
    text = version[: len(UNKNOWN_TIME)]
    return None if text == UNKNOWN_TIME else datetime.fromisoformat(text).replace(tzinfo=UTC)


def parse_created_time(version: GroupVersion) -> datetime | None:
    """The time of the event that reported a value of this version; None if unknown."""
    start = len(UNKNOWN_TIME) + 1
    text = version[start : start + len(UNKNOWN_TIME)]
    is_time = text[4:5] == "-"  # see format_version_time
    return datetime.fromisoformat(text).replace(tzinfo=UTC) if is_time else None


def get_valid_time(group: JsonObject, created_at: datetime) -> datetime:
    """The time at which a group of a report was true: `lastUpdated`, but never later than its event."""
    return min(parse_datetime(group, "lastUpdated") or created_at, created_at)


def merge_report(state: VehicleState, report: VehicleReport) -> VehicleState:
    """`state` after `report`. Accepts any JSON object; merging the same report again changes nothing."""
    registers = _Registers(state)
    for name, value in report.vehicle.items():
        at = _get_valid_at(name, value, report)
        if report.is_partial and isinstance(value, dict) and value:
            for leaf, member in value.items():
                registers.write_leaf(name, leaf, member, _build_version(at, member, report))
        elif is_unknown_while_unreachable(name, report.vehicle):
            registers.write_group(name, value, _build_version(None, value, report))
            for leaf, member in _list_known_settings(name, value):
                registers.write_leaf(name, leaf, member, _build_version(at, member, report))
        else:
            registers.write_group(name, value, _build_version(at, value, report))
    return registers.to_state()


def is_unknown_while_unreachable(name: str, vehicle: JsonObject) -> bool:
    """Whether no reading of a group is known because the vehicle can't be reached, so that it erases nothing."""
    scope = SCOPE_OF_GROUP.get(name)
    if scope is None or vehicle.get("isReachable", True) is True:
        return False
    scopes, group = vehicle.get("scopes"), vehicle.get(name)
    is_revoked = isinstance(scopes, list) and scope not in scopes
    if is_revoked or not (group is None or isinstance(group, dict)):
        return False
    ignored = SETTINGS_OF_GROUP.get(name, frozenset()) | DERIVED_MEMBERS | {"lastUpdated"}
    return all(_is_unknown(member, value) for member, value in (group or {}).items() if member not in ignored)


def merge_states(state: VehicleState, other: VehicleState) -> VehicleState:
    """`state` after all reports that made up `other`, for two records that turn out to be of one vehicle."""
    registers = _Registers(state)
    for name, version in other.versions.items():
        registers.write_group(name, other.groups[name], version)
    for name, leaves in other.leaves.items():
        for leaf, version in leaves.items():
            registers.write_leaf(name, leaf, other.groups[name][leaf], version)
    return registers.to_state()


def _get_valid_at(name: str, group: Any, report: VehicleReport) -> datetime | None:
    """The time at which a group of `report` was true; None for a `lastSeen` that isn't a time."""
    if name == "lastSeen":
        seen = parse_datetime(report.vehicle, "lastSeen")
        return seen and min(seen, report.created_at)
    has_own_time = name in GROUPS_WITH_OWN_TIME and isinstance(group, dict)
    return get_valid_time(group, report.created_at) if has_own_time else report.created_at


def _build_version(at: datetime | None, value: Any, report: VehicleReport) -> GroupVersion:
    is_empty = report.is_partial and value in EMPTY_VALUES
    updated_at = UNKNOWN_TIME if at is None or is_empty else format_version_time(at)
    return f"{updated_at} {format_version_time(report.created_at)} {report.event_id:019d}"


def _is_unknown(member: str, value: object) -> bool:
    return value is None or value == "UNKNOWN" or value is DEFAULT_VALUES.get(member)


def _list_known_settings(name: str, group: JsonObject | None) -> list[tuple[str, Any]]:
    settings = SETTINGS_OF_GROUP.get(name, frozenset())
    return [(member, value) for member, value in (group or {}).items() if member in settings and value is not None]


class _Registers:
    """A state under construction: groups, and members written after their group, each at its greatest version."""

    def __init__(self, state: VehicleState) -> None:
        self._groups: dict[str, Any] = dict(state.groups)
        self._versions: dict[str, GroupVersion] = dict(state.versions)
        self._leaves: dict[str, Mapping[str, GroupVersion]] = dict(state.leaves)

    def to_state(self) -> VehicleState:
        return VehicleState(groups=self._groups, versions=self._versions, leaves=self._leaves)

    def write_group(self, name: str, value: Any, version: GroupVersion) -> None:
        if version <= self._versions.get(name, ""):
            return
        newer = {
            leaf: leaf_version for leaf, leaf_version in self._leaves.pop(name, {}).items() if leaf_version > version
        }
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


def _copy_members(value: JsonObject | Any) -> dict[str, Any]:
    return dict(value) if isinstance(value, dict) else {}
