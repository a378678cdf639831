"""What is POSTed to an endpoint, and which answers mean that it arrived: ours (v2), and the classic client's."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from relay.feed.messages import Cursor, Json, Message
from relay.kit.timestamps import format_timestamp

CLASSIC_OK = b"OK"
CLASSIC_WRONG_VEHICLE = b"ignored - different vehicle"


def render_changes_body(cursor: Cursor, messages: Iterable[tuple[Message, Cursor]]) -> bytes:
    """Messages as on the stream, each with its place; `cursor` is how far they reach."""
    told = [{"event": it.event, "id": str(at), "data": it.body()} for it, at in messages]
    return _render_body("changes", cursor, told)


def render_test_body() -> bytes:
    """A message that says nothing, to see whether it arrives."""
    return _render_body("test", None, [])


def _render_body(kind: Literal["changes", "test"], cursor: Cursor | None, messages: Sequence[Json]) -> bytes:
    return _encode_json({"type": kind, "cursor": None if cursor is None else str(cursor), "messages": messages})


def is_acknowledged(response: bytes, message_id: str) -> bool:
    """Whether it was our receiver that took it: Home Assistant answers 200 for webhooks that nobody handles too."""
    try:
        said = json.loads(response)
    except ValueError, RecursionError:
        return False
    return isinstance(said, dict) and said.get("ack") == message_id


@dataclass(frozen=True, kw_only=True, slots=True)
class ClassicVehicle:
    """A car for a classic client. `configured_id` is the id that the client was set up with, if it said so."""

    user_id: UUID
    vehicle_id: UUID
    vehicle: Json
    configured_id: str | None = None

    def list_candidate_ids(self) -> tuple[str, ...]:
        """Ids under which to tell of it, one after the other until the client knows its car."""
        enode_id = self.vehicle.get("id")
        known = [self.configured_id, enode_id if isinstance(enode_id, str) else None, str(self.vehicle_id)]
        return tuple(dict.fromkeys(name for name in known if name))[:2]

    def render_body(self, client_vehicle_id: str, created_at: datetime) -> bytes:
        """One `user:vehicle:updated` object with the members that the classic service added."""
        enode_id = self.vehicle.get("id")
        return _encode_json(
            {
                "event": "user:vehicle:updated",
                "createdAt": format_timestamp(created_at),
                "user": {"id": str(self.user_id)},
                "vehicle": {
                    **self.vehicle,
                    **_with_display_name(self.vehicle),
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


def _with_display_name(vehicle: Json) -> dict[str, Any]:
    """Its information with a display name, made of brand and model where the owner gave none."""
    facts = vehicle.get("information")
    if not isinstance(facts, dict):
        return {}
    made = " ".join(str(part) for part in (facts.get("brand"), facts.get("model")) if part)
    return {"information": {**facts, "displayName": facts.get("displayName") or made or None}}


def _encode_json(content: Json) -> bytes:
    return json.dumps(content, separators=(",", ":"), allow_nan=False).encode()
