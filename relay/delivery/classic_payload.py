"""The body that is POSTed to a classic client, and the responses that acknowledge it."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from relay.delivery.payloads import encode_json
from relay.kit.json_object import JsonObject
from relay.kit.timestamps import format_timestamp

CLASSIC_OK = b"OK"
CLASSIC_WRONG_VEHICLE = b"ignored - different vehicle"


@dataclass(frozen=True, kw_only=True, slots=True)
class ClassicVehicle:
    """A vehicle for a classic client. `configured_id` is the vehicle id that the client was set up with, if known.

    `vehicle` is Enode's object with the members of the classic status.
    """

    user_id: UUID
    vehicle_id: UUID
    vehicle: JsonObject
    configured_id: str | None = None

    def list_candidate_ids(self) -> tuple[str, ...]:
        """Return the one or two ids that the client may have been set up with, in the order to try them."""
        enode_id = self.vehicle.get("id")
        candidates = [self.configured_id, enode_id if isinstance(enode_id, str) else None, str(self.vehicle_id)]
        return tuple(dict.fromkeys(candidate for candidate in candidates if candidate))[:2]

    def render_body(self, client_vehicle_id: str, created_at: datetime) -> bytes:
        """Render one `user:vehicle:updated` object with the ids that the classic service added to Enode's."""
        enode_id = self.vehicle.get("id")
        return encode_json(
            {
                "event": "user:vehicle:updated",
                "createdAt": format_timestamp(created_at),
                "user": {"id": str(self.user_id)},
                "vehicle": {
                    **self.vehicle,
                    "id": client_vehicle_id,
                    "userId": str(self.user_id),
                    "enodeId": enode_id,
                    "internalId": str(self.vehicle_id),
                },
                "vehicleId": client_vehicle_id,
                "enodeVehicleId": enode_id,
                "internalVehicleId": str(self.vehicle_id),
            }
        )
