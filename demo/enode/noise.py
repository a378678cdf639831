"""Bodies that no client may be harmed by: what a broken or lying sender could post. Pure rows of data.

Whatever good events are in them were told in earnest too; what is not, concerns nobody that exists.
"""

import json
from collections.abc import Callable, Sequence

from demo.enode.events import envelope
from demo.enode.problems import Json

BATCH = 100
LIE_LEVEL = 1.5
"""Percent; no car of this world ever shows it, so whoever sees it has believed a lie."""
NOBODY = "00000000-0000-4000-8000-00000000dead"

type Body = Callable[[Sequence[Json], str], bytes]
"""From the events of a delivery, and a time that no event has, to the bytes of a broken one."""


def encode(events: object) -> bytes:
    """A body as the simulator writes it."""
    return json.dumps(events, separators=(",", ":"), ensure_ascii=False).encode()


def lie(events: Sequence[Json], at: str) -> bytes:
    """Well-formed events that never happened: each car newer than it is, with a battery that it never had."""
    return encode([_falsified(it, at) for it in events])


def _falsified(event: Json, at: str) -> Json:
    vehicle = event.get("vehicle")
    if vehicle is None:
        return {**event, "createdAt": at}
    charge = {**(vehicle["chargeState"] or {}), "batteryLevel": LIE_LEVEL, "lastUpdated": at}
    return {**event, "createdAt": at, "vehicle": {**vehicle, "chargeState": charge, "lastSeen": at}}


def _of_nobody(at: str, **others: object) -> Json:
    return {**envelope("user:vehicle:updated", at, NOBODY), "vehicle": {"id": NOBODY, "userId": NOBODY}, **others}


def _with_odd_items(events: Sequence[Json], at: str) -> bytes:
    odd: list[object] = [17, None, "event", [], {}, {"event": 5}, {"event": "user:car:flown", "createdAt": at}]
    return encode([*events[: BATCH // 2], *odd, *events[BATCH // 2 : BATCH - len(odd)]])


def _escaped(text: str) -> Body:
    """A body whose JSON carries `text` in a string, inside an event of nobody."""
    return lambda _events, at: encode([_of_nobody(at, note="TEXT")]).replace(b"TEXT", text.encode())


BROKEN: dict[str, Body] = {
    "truncated": lambda events, _at: encode(events)[:-7],
    "not_json": lambda _events, _at: b"<html><body>502 Bad Gateway</body></html>",
    "not_utf8": lambda _events, at: encode([_of_nobody(at, note="TEXT")]).replace(b"TEXT", b"\xff\xfe\xc3("),
    "not_an_array": lambda events, _at: encode({"events": list(events[:1])}),
    "empty": lambda _events, _at: b"",
    "lone_surrogate": _escaped(r"\ud800"),
    "nul": _escaped(r"\u0000"),
    "huge_number": lambda _events, at: encode([_of_nobody(at, note="TEXT")]).replace(b'"TEXT"', b"1e200000"),
    "deep": lambda _events, _at: b"[" * 5_000 + b"]" * 5_000,
    "odd_items": _with_odd_items,
    "too_many": lambda events, _at: encode(list(events) * (BATCH // max(1, len(events)) + 1)),
}
