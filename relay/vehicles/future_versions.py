"""Release vehicles whose state has a version in the future, which no true report would ever replace. Pure functions.

Earlier releases stored such versions when an event's `createdAt` was wrong; a clock of the relay that is behind for a
while makes right ones look so. When such a value was true is unknown, except that it was reported earlier than anything
that arrives now. So its version becomes lower than that of any report with a time, and its value stays until
the next report has another one.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from relay.kit.clock_skew import MAX_CLOCK_SKEW
from relay.vehicles.merge import UNKNOWN_TIME, format_version_time
from relay.vehicles.models import GroupVersion, VehicleState

DISCARDED_VERSION: GroupVersion = f"{UNKNOWN_TIME} {'~' * len(UNKNOWN_TIME)} {'0' * 19}"
"""Greater than the versions of values that `discovered` leaves empty, less than those of all other values."""


def discard_future_versions(state: VehicleState, now: datetime) -> VehicleState:
    """Return `state` with DISCARDED_VERSION in place of versions that are in the future."""
    limit = format_version_time(now + MAX_CLOCK_SKEW)
    if not any(_is_future(version, limit) for version in _iterate_versions(state)):
        return state
    return replace(
        state,
        versions=_discard(state.versions, limit),
        leaves={name: _discard(leaves, limit) for name, leaves in state.leaves.items()},
    )


def _iterate_versions(state: VehicleState) -> list[GroupVersion]:
    return [*state.versions.values(), *(version for leaves in state.leaves.values() for version in leaves.values())]


def _discard(versions: Mapping[str, GroupVersion], limit: str) -> dict[str, GroupVersion]:
    return {name: DISCARDED_VERSION if _is_future(version, limit) else version for name, version in versions.items()}


def _is_future(version: GroupVersion, limit: str) -> bool:
    return version[: len(limit)] > limit and version[4:5] == "-"  # a time, see format_version_time
