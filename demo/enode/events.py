"""Enode's webhook events, one function an event. Each is a whole element of a delivery."""

from demo.enode.problems import Json

VERSION = "2024-10-01"


def envelope(name: str, created_at: str, user_id: str | None = None) -> Json:
    """What all events have."""
    event: Json = {"event": name, "createdAt": created_at, "version": VERSION}
    return event if user_id is None else {**event, "user": {"id": user_id}}


def vehicle_discovered(at: str, vehicle: Json) -> Json:
    """A car was linked."""
    return {**envelope("user:vehicle:discovered", at, vehicle["userId"]), "vehicle": vehicle}


def vehicle_updated(at: str, vehicle: Json, fields: list[str]) -> Json:
    """Something about a car changed."""
    return {**envelope("user:vehicle:updated", at, vehicle["userId"]), "vehicle": vehicle, "updatedFields": fields}


def vehicle_deleted(at: str, vehicle: Json) -> Json:
    """A car is gone."""
    return {**envelope("user:vehicle:deleted", at, vehicle["userId"]), "vehicle": vehicle}


def smart_charging_updated(at: str, status: Json, fields: list[str]) -> Json:
    """Smart charging thinks otherwise of a car."""
    head = envelope("user:vehicle:smart-charging-status-updated", at, status["userId"])
    return {**head, "smartChargingStatus": status, "updatedFields": fields}


def credentials_invalidated(at: str, user_id: str, vendor: str) -> Json:
    """A vendor no longer accepts a user's sign-in."""
    return {**envelope("user:credentials:invalidated", at, user_id), "vendor": vendor}


def action_updated(at: str, action: Json, fields: list[str]) -> Json:
    """A command went on."""
    head = envelope("user:vendor-action:updated", at, action["userId"])
    return {**head, "vendorAction": action, "updatedFields": fields}


def heartbeat(at: str, pending: int) -> Json:
    """Enode is alive."""
    return {**envelope("system:heartbeat", at), "pendingEvents": pending}


def webhook_test(at: str) -> Json:
    """Somebody asked for a test."""
    return envelope("enode:webhook:test", at)
