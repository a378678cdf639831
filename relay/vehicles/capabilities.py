"""What a car can be asked, by what Enode says of it."""

from relay.gateways.enode.fields import flag, member
from relay.vehicles.models import Json


def is_capable(vehicle: Json, capability: str) -> bool:
    """Whether the car has this capability of Enode's. One that Enode does not mention it has not."""
    return flag(member(member(vehicle, "capabilities") or {}, capability) or {}, "isCapable") is True
