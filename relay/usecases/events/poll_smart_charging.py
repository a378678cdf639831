"""Read the status of smart charging from Enode, for relays that its webhook cannot reach."""

import logging
from collections.abc import Collection
from typing import Any, Protocol

from relay.gateways.enode import API_VERSION, EnodeError, VehicleReading
from relay.gateways.enode.json_fields import parse_bool, parse_object, parse_text
from relay.kit.json_object import JsonObject

log = logging.getLogger(__name__)


class SmartChargingStatuses(Protocol):
    """Reads the status of a vehicle's smart charging."""

    async def get_status(self, vehicle_id: str) -> JsonObject:
        """Return Enode's status. Raises EnodeError."""
        ...


class EnodeSmartChargingClient(Protocol):
    """The part of EnodeClient that is used here."""

    @property
    def smart_charging(self) -> SmartChargingStatuses:
        """Operations on smart charging."""
        ...


class SmartChargingPoller:
    """Reads the status of vehicles with smart charging, and once more after it was turned off."""

    def __init__(self) -> None:
        self._enabled: set[str] = set()

    async def fetch_events(
        self, enode: EnodeSmartChargingClient, readings: Collection[VehicleReading]
    ) -> list[dict[str, Any]]:
        """Return the events that Enode's webhook would have sent. A status that can't be read is left out."""
        enabled = {reading.id for reading in readings if _is_enabled(reading)}
        due = [reading for reading in readings if reading.id in enabled | self._enabled]
        self._enabled = enabled
        events = [await _fetch_event(enode.smart_charging, reading) for reading in due]
        return [event for event in events if event is not None]


def _is_enabled(reading: VehicleReading) -> bool:
    return parse_bool(parse_object(reading.vehicle, "smartChargingPolicy") or {}, "isEnabled") is True


async def _fetch_event(statuses: SmartChargingStatuses, reading: VehicleReading) -> dict[str, Any] | None:
    try:
        status = await statuses.get_status(reading.id)
    except EnodeError as error:
        log.info("smart charging status not read error=%s", type(error).__name__)
        return None
    # With the time of the status itself: the same status is then the same event, and stored once.
    updated_at = parse_text(status, "updatedAt")
    if updated_at is None:
        return None
    return {
        "event": "user:vehicle:smart-charging-status-updated",
        "createdAt": updated_at,
        "version": API_VERSION,
        "user": {"id": reading.user_id},
        "smartChargingStatus": status,
        "updatedFields": [],
    }
