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

from relay.gateways.enode.fields import moment
from relay.vehicles.models import Json, Sighting, State, Version

OWN_CLOCK = frozenset({"chargeState", "location", "odometer"})
"""Groups with a `lastUpdated` of their own. `lastSeen` is its own clock."""

# What Enode writes where it knows nothing: in a `discovered` these are as good as null.
SAYS_NOTHING: tuple[object, ...] = (None, "UNKNOWN", {}, [], {"isCapable": False, "interventionIds": []})

UNKNOWN_TIME = " " * 26  # sorts before every time


def stamp(at: datetime) -> str:
    """A time as 26 characters that sort as times do."""
    return at.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds")


def time_of(version: Version) -> datetime | None:
    """When a value of this version was true."""
    text = version[: len(UNKNOWN_TIME)]
    return None if text == UNKNOWN_TIME else datetime.fromisoformat(text).replace(tzinfo=UTC)


def merge(state: State, sighting: Sighting) -> State:
    """`state` after `sighting`. Total: any JSON object is merged; seeing the same sighting again changes nothing."""
    registers = _Registers(state)
    for name, value in sighting.vehicle.items():
        at = _true_at(name, value, sighting)
        if sighting.partial and isinstance(value, dict) and value:
            for leaf, said in value.items():
                registers.write_leaf(name, leaf, said, _version(at, said, sighting))
        else:
            registers.write_group(name, value, _version(at, value, sighting))
    return registers.state()


def absorb(state: State, other: State) -> State:
    """`state` after everything that made `other`, when two records turn out to be of one car."""
    registers = _Registers(state)
    for name, version in other.versions.items():
        registers.write_group(name, other.groups[name], version)
    for name, leaves in other.leaves.items():
        for leaf, version in leaves.items():
            registers.write_leaf(name, leaf, other.groups[name][leaf], version)
    return registers.state()


def _true_at(name: str, group: Any, sighting: Sighting) -> datetime | None:
    """When what `sighting` says of a group was true; None for a `lastSeen` that is no time."""
    if name == "lastSeen":
        seen = moment(sighting.vehicle, "lastSeen")
        return seen and min(seen, sighting.created_at)
    updated = moment(group, "lastUpdated") if name in OWN_CLOCK and isinstance(group, dict) else None
    return min(updated or sighting.created_at, sighting.created_at)


def _version(at: datetime | None, value: Any, sighting: Sighting) -> Version:
    knows = at is not None and not (sighting.partial and value in SAYS_NOTHING)
    return f"{stamp(at) if at and knows else UNKNOWN_TIME} {stamp(sighting.created_at)} {sighting.event_id:019d}"


class _Registers:
    """A state being written to. A group's own value, and members written after it; each keeps its greatest version."""

    def __init__(self, state: State) -> None:
        self._groups: dict[str, Any] = dict(state.groups)
        self._versions: dict[str, Version] = dict(state.versions)
        self._leaves: dict[str, Mapping[str, Version]] = dict(state.leaves)

    def state(self) -> State:
        return State(groups=self._groups, versions=self._versions, leaves=self._leaves)

    def write_group(self, name: str, value: Any, version: Version) -> None:
        if version <= self._versions.get(name, ""):
            return
        newer = {leaf: it for leaf, it in self._leaves.pop(name, {}).items() if it > version}
        if newer:
            value = _members(value) | {leaf: self._groups[name][leaf] for leaf in newer}
            self._leaves[name] = newer
        self._groups[name] = value
        self._versions[name] = version

    def write_leaf(self, name: str, leaf: str, value: Any, version: Version) -> None:
        leaves = self._leaves.get(name, {})
        if version <= max(self._versions.get(name, ""), leaves.get(leaf, "")):
            return
        self._groups[name] = _members(self._groups.get(name)) | {leaf: value}
        self._leaves[name] = {**leaves, leaf: version}


def _members(value: Json | Any) -> dict[str, Any]:
    return dict(value) if isinstance(value, dict) else {}
