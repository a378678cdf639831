"""Enode's webhook events. Each function returns one element of a delivery."""

from demo.enode.problems import Json

VERSION = "2024-10-01"


def envelope(name: str, created_at: str, user_id: str | None = None) -> Json:
    """Build the members that all events have."""
    event: Json = {"event": name, "createdAt": created_at, "version": VERSION}
    return event if user_id is None else {**event, "user": {"id": user_id}}


def vehicle_discovered(at: str, vehicle: Json) -> Json:
    """Build the event of a newly linked car."""
    return {**envelope("user:vehicle:discovered", at, vehicle["userId"]), "vehicle": vehicle}


def vehicle_updated(at: str, vehicle: Json, fields: list[str]) -> Json:
    """Build the event of a changed car."""
    return {**envelope("user:vehicle:updated", at, vehicle["userId"]), "vehicle": vehicle, "updatedFields": fields}


def vehicle_deleted(at: str, vehicle: Json) -> Json:
    """Build the event of a car that is no longer linked."""
    return {**envelope("user:vehicle:deleted", at, vehicle["userId"]), "vehicle": vehicle}


def smart_charging_updated(at: str, status: Json, fields: list[str]) -> Json:
    """Build the event of a changed smart charging status."""
    head = envelope("user:vehicle:smart-charging-status-updated", at, status["userId"])
    return {**head, "smartChargingStatus": status, "updatedFields": fields}


def credentials_invalidated(at: str, user_id: str, vendor: str) -> Json:
    """Build the event of a sign-in that the vendor no longer accepts."""
    return {**envelope("user:credentials:invalidated", at, user_id), "vendor": vendor}


def action_updated(at: str, action: Json, fields: list[str]) -> Json:
    """Build the event of a changed action."""
    head = envelope("user:vendor-action:updated", at, action["userId"])
    return {**head, "vendorAction": action, "updatedFields": fields}


def heartbeat(at: str, pending: int) -> Json:
    """Build a heartbeat."""
    return {**envelope("system:heartbeat", at), "pendingEvents": pending}


def webhook_test(at: str) -> Json:
    """Build a test event."""
    return envelope("enode:webhook:test", at)
