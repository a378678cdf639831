"""Bodies that no client may be harmed by: what a broken or lying sender could post. Pure rows of data.

Whatever good events are in them were told in earnest too; what is not, concerns nobody that exists.
"""

import json
from collections.abc import Callable, Sequence

from demo.enode.events import envelope
from demo.enode.problems import Json

MAX_BATCH_SIZE = 100
FORGED_BATTERY_LEVEL = 1.5
"""Percent; no car of this world ever shows it, so whoever sees it has believed a lie."""
UNKNOWN_ID = "00000000-0000-4000-8000-00000000dead"

type BodyBuilder = Callable[[Sequence[Json], str], bytes]
"""From the events of a delivery, and a time that no event has, to the bytes of a broken one."""


def encode_events(events: object) -> bytes:
    """A body as the simulator writes it."""
    return json.dumps(events, separators=(",", ":"), ensure_ascii=False).encode()


def build_forged_body(events: Sequence[Json], at: str) -> bytes:
    """Well-formed events that never happened: each car newer than it is, with a battery that it never had."""
    return encode_events([_forge_event(it, at) for it in events])


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
    """A body whose JSON carries `text` in a string, inside an event of nobody."""
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
