"""From the bytes of a delivery to events. Total: whatever Enode signed becomes something that can be stored."""

import hashlib
import json
import re
from typing import Any
from uuid import UUID

from relay.gateways.enode.fields import member, moment, text
from relay.inbox.models import Delivery, Event, SetAside

MOST_EVENTS = 100
"""Enode sends at most so many in one delivery."""

# An escaped U+0000 in canonical JSON, where a backslash of the text itself is doubled.
_NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")


def read_delivery(raw: bytes) -> Delivery:
    """The events in a body, which is an array of them or a single one.

    An odd item stops none of its neighbours; the body is then set aside as a whole, because received again by a relay
    that understands it, it yields what is missing and nothing twice.
    """
    try:
        found = json.loads(raw.decode())
    except ValueError, RecursionError:  # not UTF-8, not JSON, a number of 4,301 digits; nested too deeply
        return Delivery(set_aside=set_aside(raw, "not JSON"))
    items = found if isinstance(found, list) else [found]
    if len(items) > MOST_EVENTS:
        return Delivery(set_aside=set_aside(raw, f"more than {MOST_EVENTS} events"))
    outcomes = [read_event(item) for item in items]
    events = tuple(it for it in outcomes if isinstance(it, Event))
    faults = sorted({it for it in outcomes if isinstance(it, str)})
    return Delivery(events=events, set_aside=set_aside(raw, "; ".join(faults)) if faults else None)


def read_event(item: Any) -> Event | str:
    """The event in one JSON value, or what is wrong with it, in words that repeat nothing of it."""
    if not isinstance(item, dict):
        return "an item is no object"
    try:
        payload = canonical(item)
        digest = hashlib.sha256(payload.encode()).digest()
    except ValueError, RecursionError:  # NaN, 1e200000; a lone surrogate; nested too deeply
        return "an event holds what no database takes"
    if _NUL.search(payload):
        return "an event holds what no database takes"
    name, created_at = text(item, "event"), moment(item, "createdAt")
    if not name:
        return "an event has no name"
    if created_at is None:
        return "an event has no createdAt"
    return Event(
        digest=digest,
        name=name,
        version=text(item, "version"),
        created_at=created_at,
        user_id=_user_id(item),
        enode_vehicle_id=_vehicle_id(item),
        payload=payload,
    )


def canonical(value: Any) -> str:
    """The one way to write this JSON value. Raises ValueError for numbers that JSON does not have."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def set_aside(raw: bytes, reason: str) -> SetAside:
    """`raw`, kept as it is."""
    return SetAside(digest=hashlib.sha256(raw).digest(), raw=raw, reason=reason)


def _user_id(item: dict[str, Any]) -> UUID | None:
    given = text(member(item, "user") or {}, "id") or ""
    try:
        return UUID(given)
    except ValueError:
        return None


def _vehicle_id(item: dict[str, Any]) -> str | None:
    if vehicle := member(item, "vehicle"):
        return text(vehicle, "id")
    action = member(item, "vendorAction") or {}
    return text(action, "targetId") if text(action, "targetType") == "vehicle" else None
