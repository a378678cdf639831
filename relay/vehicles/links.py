"""Whether an Enode vehicle is still there, and so the car of ours that it is. Two registers each, the greatest wins."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

from relay.vehicles.models import Vehicle, VehicleLink


def mark_seen(link: VehicleLink, at: datetime) -> VehicleLink:
    """`link` after Enode showed its vehicle. Only what is newer than the deletion raises it."""
    revived = link.ended_at is not None and at > link.ended_at
    return replace(link, seen_at=max(link.seen_at, at), ended_at=None if revived else link.ended_at)


def mark_ended(link: VehicleLink, at: datetime) -> VehicleLink:
    """`link` after Enode said that its vehicle is deleted. What was seen since stands."""
    return link if at < link.seen_at else replace(link, ended_at=max(link.ended_at or at, at))


def update_gone_state(vehicle: Vehicle, links: Iterable[VehicleLink], at: datetime, reason: str) -> Vehicle:
    """`vehicle` there or gone: it is gone when none of its links is live, and keeps when and why it first was."""
    if any(link.is_live for link in links):
        return replace(vehicle, gone_at=None, gone_reason=None)
    return vehicle if vehicle.gone_at else replace(vehicle, gone_at=at, gone_reason=reason)
