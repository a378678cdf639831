"""Parse the body of a delivery into events. Never raises: any body becomes something that can be stored."""

import hashlib
import json
import re
from typing import Any
from uuid import UUID

from relay.gateways.enode.json_fields import parse_datetime, parse_object, parse_text
from relay.inbox.models import EnodeDelivery, InboxEvent, SetAsideBody

MAX_EVENTS_PER_DELIVERY = 100
"""The most events that Enode sends in one delivery."""

# An escaped U+0000 in canonical JSON, where a backslash in the text itself is doubled.
_ESCAPED_NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")


def parse_delivery(raw: bytes) -> EnodeDelivery:
    """Parse a body, which is an array of events or a single event.

    An invalid item doesn't affect the others, but the complete body is then set aside. A later release that understands
    the item can receive that body again: it stores the missing events, and no event twice.
    """
    try:
        value = json.loads(raw.decode())
    except ValueError, RecursionError:  # not UTF-8, not JSON, a number of 4,301 digits; nested too deeply
        return EnodeDelivery(set_aside=create_set_aside_body(raw, "not JSON"))
    items = value if isinstance(value, list) else [value]
    if len(items) > MAX_EVENTS_PER_DELIVERY:
        return EnodeDelivery(set_aside=create_set_aside_body(raw, f"more than {MAX_EVENTS_PER_DELIVERY} events"))
    parsed = [parse_event(item) for item in items]
    events = tuple(item for item in parsed if isinstance(item, InboxEvent))
    faults = sorted({item for item in parsed if isinstance(item, str)})
    return EnodeDelivery(events=events, set_aside=create_set_aside_body(raw, "; ".join(faults)) if faults else None)


def parse_event(item: Any) -> InboxEvent | str:
    """Parse one JSON value as an event; returns what is wrong, without quoting the value, if it isn't one."""
    if not isinstance(item, dict):
        return "an item is not an object"
    try:
        payload = render_canonical_json(item)
        digest = hashlib.sha256(payload.encode()).digest()
    except ValueError, RecursionError:  # NaN, 1e200000; a lone surrogate; nested too deeply
        return "an event contains a value that the database can't store"
    if _ESCAPED_NUL.search(payload):
        return "an event contains a value that the database can't store"
    name, created_at = parse_text(item, "event"), parse_datetime(item, "createdAt")
    if not name:
        return "an event has no name"
    if created_at is None:
        return "an event has no createdAt"
    return InboxEvent(
        digest=digest,
        name=name,
        version=parse_text(item, "version"),
        created_at=created_at,
        user_id=_parse_user_id(item),
        enode_vehicle_id=_parse_vehicle_id(item),
        payload=payload,
    )


def render_canonical_json(value: Any) -> str:
    """Serialize a value so that equal values give equal text. Raises ValueError for numbers that JSON doesn't have."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def create_set_aside_body(raw: bytes, reason: str) -> SetAsideBody:
    """Set aside the body `raw`, unchanged."""
    return SetAsideBody(digest=hashlib.sha256(raw).digest(), raw=raw, reason=reason)


def _parse_user_id(item: dict[str, Any]) -> UUID | None:
    user_id = parse_text(parse_object(item, "user") or {}, "id") or ""
    try:
        return UUID(user_id)
    except ValueError:
        return None


def _parse_vehicle_id(item: dict[str, Any]) -> str | None:
    if vehicle := parse_object(item, "vehicle"):
        return parse_text(vehicle, "id")
    action = parse_object(item, "vendorAction") or {}
    return parse_text(action, "targetId") if parse_text(action, "targetType") == "vehicle" else None
