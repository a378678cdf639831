"""What a vehicle object may hold, so that its record stays a message that clients can read. Pure functions.

Enode's objects have two to four kilobytes, are three levels deep, and hold no large numbers. A member beyond the limits
is left out, as if it had not been reported; the event in `webhook_logs` keeps it. So an odd member costs that member
only, and not the stream that would have to carry it with every update.
"""

import json
from typing import Any

from relay.kit.json_object import JsonObject
from relay.vehicles.models import VehicleState

MAX_VALUE_BYTES = 8 * 1024
"""Of one member: of the vehicle, or of a state group. More than ten times the largest one of Enode's, `scopes`."""
MAX_NAME_LENGTH = 100
MAX_GROUP_BYTES = 16 * 1024
MAX_VEHICLE_BYTES = 64 * 1024
"""A quarter of the longest line of a stream, so that the rest of a record has room (relay/streams/sse.py)."""
MAX_DEPTH = 8
MAX_INTEGER = 2**63 - 1
"""Greater integers have no exact representation in most JSON parsers, and some reject them."""

# Members that Enode documents. They come first when the whole object is too large.
DOCUMENTED_MEMBERS = (
    "id",
    "userId",
    "vendor",
    "isReachable",
    "lastSeen",
    "chargeState",
    "odometer",
    "location",
    "information",
    "capabilities",
    "scopes",
    "smartChargingPolicy",
)


def limit_members(vehicle: JsonObject) -> JsonObject:
    """Return the vehicle object of a report without members that are too large, too deep, or hold too large a number.

    Of an object, only the members beyond the limits are left out.
    """
    limited: dict[str, Any] = {}
    for name, value in vehicle.items():
        if isinstance(value, dict) and len(name) <= MAX_NAME_LENGTH:
            limited[name] = _limit_group(value)
        elif is_within_limits(name, value):
            limited[name] = value
    return limited


def limit_state(state: VehicleState) -> VehicleState:
    """Return the merged state without the members that exceed MAX_VEHICLE_BYTES; documented ones are kept first.

    Reports are within the limits, but a thousand of them may name a thousand members.
    """
    vehicle = state.groups
    if _measure(vehicle) <= MAX_VEHICLE_BYTES:
        return state
    order = {name: place for place, name in enumerate(DOCUMENTED_MEMBERS)}
    kept, size = set(), 0
    for name in sorted(vehicle, key=lambda name: (order.get(name, len(order)), name)):
        member_size = _measure({name: vehicle[name]})
        if size + member_size <= MAX_VEHICLE_BYTES:
            kept.add(name)
            size += member_size
    return VehicleState(
        groups={name: value for name, value in vehicle.items() if name in kept},
        versions={name: version for name, version in state.versions.items() if name in kept},
        leaves={name: versions for name, versions in state.leaves.items() if name in kept},
    )


def is_within_limits(name: str, value: Any) -> bool:
    """Whether a member's value is small, flat and plain enough to be stored and sent."""
    return len(name) <= MAX_NAME_LENGTH and _is_plain(value) and _measure({name: value}) <= MAX_VALUE_BYTES


def _limit_group(group: JsonObject) -> JsonObject:
    size = 0
    return {
        name: value
        for name, value in group.items()
        if is_within_limits(name, value) and (size := size + _measure({name: value})) <= MAX_GROUP_BYTES
    }


def _is_plain(value: Any) -> bool:
    """Whether the value has neither too many levels nor too large an integer. Without recursion, as it may be deep."""
    level = [value]
    for _ in range(MAX_DEPTH):
        if any(isinstance(item, int) and abs(item) > MAX_INTEGER for item in level):
            return False
        containers = [item for item in level if isinstance(item, dict | list)]
        if not containers:
            return True
        level = [member for item in containers for member in (item.values() if isinstance(item, dict) else item)]
    return False


def _measure(value: JsonObject) -> int:
    return len(json.dumps(value, separators=(",", ":")))
