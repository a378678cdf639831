"""From the bytes of a delivery to events. Total: whatever Enode signed becomes something that can be stored."""

import hashlib
import json
import re
from typing import Any
from uuid import UUID

from relay.gateways.enode.json_fields import parse_datetime, parse_object, parse_text
from relay.inbox.models import EnodeDelivery, InboxEvent, SetAsideBody

MAX_EVENTS_PER_DELIVERY = 100
"""Enode sends at most so many in one delivery."""

# An escaped U+0000 in canonical JSON, where a backslash of the text itself is doubled.
_ESCAPED_NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")


def parse_delivery(raw: bytes) -> EnodeDelivery:
    """The events in a body, which is an array of them or a single one.

    An odd item stops none of its neighbours; the body is then set aside as a whole, because received again by a relay
    that understands it, it yields what is missing and nothing twice.
    """
    try:
        found = json.loads(raw.decode())
    except ValueError, RecursionError:  # not UTF-8, not JSON, a number of 4,301 digits; nested too deeply
        return EnodeDelivery(set_aside=create_set_aside_body(raw, "not JSON"))
    items = found if isinstance(found, list) else [found]
    if len(items) > MAX_EVENTS_PER_DELIVERY:
        return EnodeDelivery(set_aside=create_set_aside_body(raw, f"more than {MAX_EVENTS_PER_DELIVERY} events"))
    outcomes = [parse_event(item) for item in items]
    events = tuple(it for it in outcomes if isinstance(it, InboxEvent))
    faults = sorted({it for it in outcomes if isinstance(it, str)})
    return EnodeDelivery(events=events, set_aside=create_set_aside_body(raw, "; ".join(faults)) if faults else None)


def parse_event(item: Any) -> InboxEvent | str:
    """The event in one JSON value, or what is wrong with it, in words that repeat nothing of it."""
    if not isinstance(item, dict):
        return "an item is no object"
    try:
        payload = render_canonical_json(item)
        digest = hashlib.sha256(payload.encode()).digest()
    except ValueError, RecursionError:  # NaN, 1e200000; a lone surrogate; nested too deeply
        return "an event holds what no database takes"
    if _ESCAPED_NUL.search(payload):
        return "an event holds what no database takes"
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
    """The one way to write this JSON value. Raises ValueError for numbers that JSON does not have."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def create_set_aside_body(raw: bytes, reason: str) -> SetAsideBody:
    """`raw`, kept as it is."""
    return SetAsideBody(digest=hashlib.sha256(raw).digest(), raw=raw, reason=reason)


def _parse_user_id(item: dict[str, Any]) -> UUID | None:
    given = parse_text(parse_object(item, "user") or {}, "id") or ""
    try:
        return UUID(given)
    except ValueError:
        return None


def _parse_vehicle_id(item: dict[str, Any]) -> str | None:
    if vehicle := parse_object(item, "vehicle"):
        return parse_text(vehicle, "id")
    action = parse_object(item, "vendorAction") or {}
    return parse_text(action, "targetId") if parse_text(action, "targetType") == "vehicle" else None
