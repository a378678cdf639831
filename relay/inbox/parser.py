"""Parse the body of a delivery into events. Never raises: any body becomes something that can be stored."""

import hashlib
import json
import re
from datetime import datetime
from typing import Any
from uuid import UUID

from relay.gateways.enode.json_fields import parse_datetime, parse_object, parse_text
from relay.inbox.array_splitter import split_array
from relay.inbox.models import EnodeDelivery, InboxEvent, SetAsideBody
from relay.kit.json_object import JsonObject

MAX_EVENTS_PER_DELIVERY = 100
"""The most events that Enode sends in one delivery."""

TIMED_GROUPS = ("chargeState", "location", "odometer")

NOT_JSON = "not JSON"
TOO_MANY_EVENTS = f"more than {MAX_EVENTS_PER_DELIVERY} events"

# An escaped U+0000 in canonical JSON, where a backslash in the text itself is doubled.
_ESCAPED_NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")


def parse_delivery(raw: bytes) -> EnodeDelivery:
    """Parse a body, which is an array of events or a single event.

    An item that isn't a valid event is set aside on its own and affects no other, also if it isn't even JSON. A later
    release that understands the item can receive it again. A body without any valid event is set aside as a whole.
    """
    items = _parse_items(raw)
    if items is not None and all(isinstance(item, InboxEvent) for item in items):
        return EnodeDelivery(events=tuple(item for item in items if isinstance(item, InboxEvent)))
    texts = split_array(raw, MAX_EVENTS_PER_DELIVERY) or []
    parsed = [(text, _parse_item(text)) for text in texts]
    events = tuple(item for _, item in parsed if isinstance(item, InboxEvent))
    if not events:
        faults = {NOT_JSON} if items is None else {item for item in items if isinstance(item, str)}
        return EnodeDelivery(set_aside=(create_set_aside_body(raw, "; ".join(sorted(faults))),))
    faulty = tuple(create_set_aside_item(text, item) for text, item in parsed if isinstance(item, str))
    return EnodeDelivery(events=events, set_aside=faulty)


def _parse_items(raw: bytes) -> list[InboxEvent | str] | None:
    """Parse a body that is JSON throughout; None if it isn't. Each item is an event, or what is wrong with it."""
    try:
        value = json.loads(raw.decode())
    except ValueError, RecursionError:  # not UTF-8, not JSON, a number of 4,301 digits; nested too deeply
        return None
    items = value if isinstance(value, list) else [value]
    if len(items) > MAX_EVENTS_PER_DELIVERY:
        return [TOO_MANY_EVENTS]
    return [parse_event(item) for item in items]


def _parse_item(text: bytes) -> InboxEvent | str:
    try:
        item = json.loads(text.decode())
    except ValueError, RecursionError:
        return NOT_JSON
    return parse_event(item)


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
        observed_at=get_observation_time(parse_object(item, "vehicle") or {}),
    )


def get_observation_time(vehicle: JsonObject) -> datetime | None:
    """The newest `lastUpdated` of a vehicle's groups."""
    groups = (parse_object(vehicle, name) or {} for name in TIMED_GROUPS)
    return max((at for group in groups if (at := parse_datetime(group, "lastUpdated"))), default=None)


def render_canonical_json(value: Any) -> str:
    """Serialize a value so that equal values give equal text. Raises ValueError for numbers that JSON doesn't have."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def create_set_aside_body(raw: bytes, reason: str) -> SetAsideBody:
    """Set aside the body `raw`, unchanged."""
    return SetAsideBody(digest=hashlib.sha256(raw).digest(), raw=raw, reason=reason)


def create_set_aside_item(text: bytes, reason: str) -> SetAsideBody:
    """Set aside the text of one item of a body, unchanged.

    Its digest isn't that of the text, which an event may have whose canonical JSON is the same text: the event must
    not count as known when a later release understands it.
    """
    return SetAsideBody(digest=hashlib.sha256(b"set aside\0" + text).digest(), raw=text, reason=reason)


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
