"""Report polls as Enode does: an event only for a change, some late, some twice; and other orders of arrival."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from random import Random

from demo.enode.clock import format_timestamp
from demo.enode.events import vehicle_updated
from demo.enode.problems import Json
from demo.enode.vehicle_view import TIMED_GROUPS
from tests.oracle.car_profiles import Reporting
from tests.oracle.days import Poll, format_time

LATE_SHARE = 0.03
MAX_LATENESS = 900.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """An event as it arrives. `poll` is the index of the poll that it reports."""

    event: Json = field(repr=False)
    arrived_at: datetime
    poll: int


def report_polls(polls: Sequence[Poll], reporting: Reporting, seed: int) -> list[Arrival]:
    """The events of these polls, in the order in which Enode creates them."""
    random = Random(seed)  # noqa: S311 - reproducible, not secret
    shown: Json = {}
    arrivals: list[Arrival] = []
    last_created = 0.0
    for index, poll in enumerate(polls):
        view = _stamp(shown, poll, reporting)
        changed = [name for name, value in view.items() if _has_changed(name, shown.get(name), value)]
        shown = view
        if not changed:
            continue
        # Enode creates events in order, so a late one delays those after it.
        late = random.uniform(0, MAX_LATENESS) if random.random() < LATE_SHARE else 0.0
        created = max(last_created + 0.001, poll.at + reporting.latency + late)
        last_created = created
        told = created if poll.created_at is None else poll.created_at
        event = vehicle_updated(format_timestamp(format_time(told)), view, changed)
        arrivals.append(Arrival(event=event, arrived_at=format_time(created), poll=index))
    return arrivals


def shuffle_arrivals(arrivals: Iterable[Arrival], seed: int) -> list[Arrival]:
    """The same events in another order, some of them twice."""
    random = Random(seed)  # noqa: S311 - reproducible, not secret
    arrivals = list(arrivals)
    repeated = [arrival for arrival in arrivals if random.random() < 0.1]
    shuffled = [*arrivals, *repeated]
    random.shuffle(shuffled)
    return shuffled


def _has_changed(name: str, old: object, new: object) -> bool:
    """Whether Enode reports this change: one of times alone it does not."""
    if name == "lastSeen" or old == new:
        return False
    if name not in TIMED_GROUPS or not isinstance(old, dict) or not isinstance(new, dict):
        return True
    return {**old, "lastUpdated": None} != {**new, "lastUpdated": None}


def _stamp(shown: Json, poll: Poll, reporting: Reporting) -> Json:
    """The vehicle object of a poll, with the times of its groups."""
    if not poll.reachable and shown and poll.view.get("isReachable") is False and not poll.stamps.get("nulls"):
        return {**shown, "isReachable": False}
    now = format_timestamp(format_time(poll.at))
    view = {**poll.view, "lastSeen": _format_stamp(poll, "lastSeen", now)}
    for group in TIMED_GROUPS:
        members = {name: value for name, value in poll.view[group].items() if name != "lastUpdated"}
        view[group] = {**members, "lastUpdated": _get_time(shown, group, members, now, reporting)}
        if group in poll.stamps:
            view[group]["lastUpdated"] = _format_stamp(poll, group, now)
    return view


def _get_time(shown: Json, group: str, members: Json, now: str, reporting: Reporting) -> str | None:
    if all(value is None for value in members.values()):
        return None
    before = shown.get(group)
    is_same = before is not None and all(before[name] == value for name, value in members.items())
    return before["lastUpdated"] if is_same and reporting.updates_on_change and before["lastUpdated"] else now


def _format_stamp(poll: Poll, name: str, default: str) -> str:
    return format_timestamp(format_time(poll.stamps[name])) if name in poll.stamps else default
