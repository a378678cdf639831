"""Decide whether an Enode vehicle still exists, and whether the vehicle it is linked to is gone. Pure functions.

A link keeps the newest time at which its vehicle was seen and at which it was deleted, so events may come in any order.
"""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

from relay.vehicles.models import Vehicle, VehicleLink


def mark_seen(link: VehicleLink, at: datetime) -> VehicleLink:
    """`link` after Enode reported its vehicle. Only a report newer than the deletion makes it live again."""
    revived = link.ended_at is not None and at > link.ended_at
    return replace(link, seen_at=max(link.seen_at, at), ended_at=None if revived else link.ended_at)


def mark_ended(link: VehicleLink, at: datetime) -> VehicleLink:
    """`link` after Enode reported its vehicle as deleted; unchanged if the vehicle was seen since."""
    return link if at < link.seen_at else replace(link, ended_at=max(link.ended_at or at, at))


def update_gone_state(vehicle: Vehicle, links: Iterable[VehicleLink], at: datetime, reason: str) -> Vehicle:
    """`vehicle` with its gone state: gone when none of `links` is live, with the time and reason of the first time."""
    if any(link.is_live for link in links):
        return replace(vehicle, gone_at=None, gone_reason=None)
    return vehicle if vehicle.gone_at else replace(vehicle, gone_at=at, gone_reason=reason)
