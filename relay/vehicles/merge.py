"""Merge reports into a vehicle's state, so that neither the order of events nor repeated events matter. Pure functions.

Enode's vehicle object consists of state groups (`chargeState`, `location`, `information`, …). A group is replaced as a
whole, nulls included, by one with a greater version (a last-writer-wins register). The version is the time at which the
group was true: `lastUpdated` for groups that have it, but never later than their event; the event's time for all
others. Ties go to the newer event, then to the one stored later.

While a vehicle can't be reached, members that are null or UNKNOWN don't erase what is known, unless the scope that
covers them was revoked (docs/decisions/0020, 0035). They keep the version of the group that they come from. A group
whose readings are all unknown changes nothing but the settings in it, as the charge limit.

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
READ_TOGETHER = (frozenset({"powerDeliveryState", "isPluggedIn", "isCharging"}), frozenset({"latitude", "longitude"}))
"""Members of which none is kept without the others: older ones may contradict those that are known."""
CHARGING_FLAGS, CHARGING_COMPANIONS = READ_TOGETHER[0], frozenset({"chargeRate", "chargeTimeRemaining"})
"""Without a charging vehicle, the power and the remaining time aren't unknown but absent."""
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
            unknown = find_unknown_members(name, report.vehicle)
            registers.write_group(name, value, _build_version(at, value, report), unknown)
    return registers.to_state()


def is_unknown_while_unreachable(name: str, vehicle: JsonObject) -> bool:
    """Whether no reading of a group is known because the vehicle can't be reached, so that it erases nothing."""
    group = vehicle.get(name)
    if not _is_unreachable(name, vehicle) or not (group is None or isinstance(group, dict)):
        return False
    ignored = SETTINGS_OF_GROUP.get(name, frozenset()) | DERIVED_MEMBERS | {"lastUpdated"}
    return all(_is_unknown(member, value) for member, value in (group or {}).items() if member not in ignored)


def find_unknown_members(name: str, vehicle: JsonObject) -> frozenset[str]:
    """The members of a group that erase nothing, because they are unknown while the vehicle can't be reached."""
    group = vehicle.get(name)
    if not isinstance(group, dict) or not _is_unreachable(name, vehicle):
        return frozenset()
    unknown = {member for member, value in group.items() if value is None or value == "UNKNOWN"}
    known = group.keys() - unknown
    if "batteryLevel" in unknown:
        unknown |= {member for member in DEFAULT_VALUES if _is_unknown(member, group.get(member, True))}
    if known & CHARGING_FLAGS:
        unknown -= CHARGING_FLAGS | CHARGING_COMPANIONS
    position = READ_TOGETHER[1]
    if unknown & position:
        unknown |= position & group.keys()
    return frozenset(unknown - DERIVED_MEMBERS - {"lastUpdated"})


def _is_unreachable(name: str, vehicle: JsonObject) -> bool:
    """Whether a vehicle can't be reached whose group may be read."""
    scope, scopes = SCOPE_OF_GROUP.get(name), vehicle.get("scopes")
    is_revoked = isinstance(scopes, list) and scope not in scopes
    return scope is not None and vehicle.get("isReachable", True) is not True and not is_revoked


def merge_states(state: VehicleState, other: VehicleState) -> VehicleState:
    """`state` after all reports that made up `other`, for two records that turn out to be of one vehicle."""
    registers = _Registers(state)
    for name, version in other.versions.items():
        kept = frozenset(leaf for leaf, of_leaf in other.leaves.get(name, {}).items() if of_leaf < version)
        registers.write_group(name, other.groups[name], version, kept)
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
    """A state under construction: groups, and members that have another version than their group.

    Such a member was written after its group, or is older because it is unknown in it.
    """

    def __init__(self, state: VehicleState) -> None:
        self._groups: dict[str, Any] = dict(state.groups)
        self._versions: dict[str, GroupVersion] = dict(state.versions)
        self._leaves: dict[str, Mapping[str, GroupVersion]] = dict(state.leaves)

    def to_state(self) -> VehicleState:
        return VehicleState(groups=self._groups, versions=self._versions, leaves=self._leaves)

    def write_group(self, name: str, value: Any, version: GroupVersion, unknown: frozenset[str] = frozenset()) -> None:
        """Write a group if it is newer than the one before. Its `unknown` members keep their value and version."""
        before = self._versions.get(name, "")
        if version <= before:
            self._write_older_members(name, value, version, unknown)
            return
        old, old_leaves = _copy_members(self._groups.get(name)), self._leaves.pop(name, {})
        kept = {leaf: old_leaves.get(leaf, before) for leaf in unknown}
        kept |= {leaf: leaf_version for leaf, leaf_version in old_leaves.items() if leaf_version > version}
        if kept:
            members = _copy_members(value)
            missing = {} if before else members
            self._groups[name] = members | {leaf: old.get(leaf, missing.get(leaf)) for leaf in kept}
            self._leaves[name] = kept
        else:
            self._groups[name] = value
        self._versions[name] = version

    def write_leaf(self, name: str, leaf: str, value: Any, version: GroupVersion) -> None:
        leaves = self._leaves.get(name, {})
        if version <= leaves.get(leaf, self._versions.get(name, "")):
            return
        self._groups[name] = _copy_members(self._groups.get(name)) | {leaf: value}
        self._leaves[name] = {**leaves, leaf: version}

    def _write_older_members(self, name: str, value: Any, version: GroupVersion, unknown: frozenset[str]) -> None:
        """Write what an older group knows of members that are unknown in the newer one."""
        for leaf, leaf_version in self._leaves.get(name, {}).items():
            if leaf not in unknown and leaf_version < version:
                self.write_leaf(name, leaf, _copy_members(value).get(leaf), version)


def _copy_members(value: JsonObject | Any) -> dict[str, Any]:
    return dict(value) if isinstance(value, dict) else {}
