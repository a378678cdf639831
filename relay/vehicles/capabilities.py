"""Check which commands a vehicle supports, according to Enode."""

from relay.gateways.enode.json_fields import parse_bool, parse_object
from relay.kit.json_object import JsonObject


def has_capability(vehicle: JsonObject, capability: str) -> bool:
    """Whether the vehicle has this Enode capability. A capability that Enode doesn't mention is missing."""
    return parse_bool(parse_object(parse_object(vehicle, "capabilities") or {}, capability) or {}, "isCapable") is True
