"""Malformed and forged webhook bodies, to test that clients reject them without harm. Pure functions.

Genuine events in these bodies are also delivered normally. All other events concern a vehicle that does not exist.
"""

import json
from collections.abc import Callable, Sequence

from demo.enode.events import envelope
from demo.enode.problems import Json

MAX_BATCH_SIZE = 100
FORGED_BATTERY_LEVEL = 1.5
"""Percent. No simulated car ever reports it, so a client that shows it has accepted a forged body."""
UNKNOWN_ID = "00000000-0000-4000-8000-00000000dead"

type BodyBuilder = Callable[[Sequence[Json], str], bytes]
"""Builds a malformed body from the events of a delivery and a timestamp that no event has."""


def encode_events(events: object) -> bytes:
    """Encode events as the body of a delivery."""
    return json.dumps(events, separators=(",", ":"), ensure_ascii=False).encode()


def build_forged_body(events: Sequence[Json], at: str) -> bytes:
    """Build well-formed events that never happened: each vehicle with a newer timestamp and a false battery level."""
    return encode_events([_forge_event(event, at) for event in events])


def _forge_event(event: Json, at: str) -> Json:
    vehicle = event.get("vehicle")
    if vehicle is None:
        return {**event, "createdAt": at}
    charge = {**(vehicle["chargeState"] or {}), "batteryLevel": FORGED_BATTERY_LEVEL, "lastUpdated": at}
    return {**event, "createdAt": at, "vehicle": {**vehicle, "chargeState": charge, "lastSeen": at}}


def _build_event_of_unknown_vehicle(at: str, **others: object) -> Json:
    return {
        **envelope("user:vehicle:updated", at, UNKNOWN_ID),
        "vehicle": {"id": UNKNOWN_ID, "userId": UNKNOWN_ID},
        **others,
    }


def _build_body_with_odd_items(events: Sequence[Json], at: str) -> bytes:
    odd: list[object] = [17, None, "event", [], {}, {"event": 5}, {"event": "user:car:flown", "createdAt": at}]
    return encode_events(
        [*events[: MAX_BATCH_SIZE // 2], *odd, *events[MAX_BATCH_SIZE // 2 : MAX_BATCH_SIZE - len(odd)]]
    )


def _with_escape_sequence(text: str) -> BodyBuilder:
    """Return a builder of JSON with the escape sequence `text` in a string of an event."""
    return lambda _events, at: encode_events([_build_event_of_unknown_vehicle(at, note="TEXT")]).replace(
        b"TEXT", text.encode()
    )


MALFORMED_BODIES: dict[str, BodyBuilder] = {
    "truncated": lambda events, _at: encode_events(events)[:-7],
    "not_json": lambda _events, _at: b"<html><body>502 Bad Gateway</body></html>",
    "not_utf8": lambda _events, at: encode_events([_build_event_of_unknown_vehicle(at, note="TEXT")]).replace(
        b"TEXT", b"\xff\xfe\xc3("
    ),
    "not_an_array": lambda events, _at: encode_events({"events": list(events[:1])}),
    "empty": lambda _events, _at: b"",
    "lone_surrogate": _with_escape_sequence(r"\ud800"),
    "nul": _with_escape_sequence(r"\u0000"),
    "huge_number": lambda _events, at: encode_events([_build_event_of_unknown_vehicle(at, note="TEXT")]).replace(
        b'"TEXT"', b"1e200000"
    ),
    "deep": lambda _events, _at: b"[" * 5_000 + b"]" * 5_000,
    "odd_items": _build_body_with_odd_items,
    "too_many": lambda events, _at: encode_events(list(events) * (MAX_BATCH_SIZE // max(1, len(events)) + 1)),
}
