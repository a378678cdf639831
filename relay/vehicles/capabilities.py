"""What a car can be asked, by what Enode says of it."""

from relay.gateways.enode.json_fields import parse_bool, parse_object
from relay.vehicles.models import Json


def has_capability(vehicle: Json, capability: str) -> bool:
    """Whether the car has this capability of Enode's. One that Enode does not mention it has not."""
    return parse_bool(parse_object(parse_object(vehicle, "capabilities") or {}, capability) or {}, "isCapable") is True
