"""Compare what users see after each event with what was true then."""

from collections.abc import Iterator
from datetime import timedelta
from itertools import pairwise

from demo.enode.problems import Json
from relay.gateways.enode.json_fields import parse_datetime
from tests.oracle.activities import MINUTE
from tests.oracle.cases import Case, Failure
from tests.oracle.days import format_time
from tests.oracle.enode_feed import Arrival
from tests.oracle.relay_door import Outcome, UserView

SAME_LEVEL = 2.0  # issue 12: a return to within two points is the same level
HELD = 30 * MINUTE  # issue 12: what isn't contradicted counts after 30 minutes
MAX_CLOCK_LEAD = timedelta(minutes=2)  # issue 12: later times are capped
MAX_HELD_READINGS = 3
MAX_RECENT = 40  # more polls than there are in HELD
ODOMETER_ROUNDING_KM = 2.0


def check_shown(case: Case, outcome: Outcome) -> Iterator[Failure]:
    """What users see is what was true then, apart from what a fault hides. At most one failure of each check."""
    found: set[str] = set()
    for arrival, step in zip(case.arrivals, outcome.steps, strict=True):
        for check, detail in _find_wrong_values(case, arrival, step):
            if check not in found:
                found.add(check)
                yield Failure(check=check, detail=detail, at=case.day.polls[arrival.poll].at)
    for one, other in pairwise(outcome.steps):
        before, after = (_get_distance(step.groups) for step in (one, other))
        if before is not None and after is not None and after < before - ODOMETER_ROUNDING_KM:
            yield Failure(check="odometer", detail=f"falls from {before:g} to {after:g} km")
            return


def _find_wrong_values(case: Case, arrival: Arrival, step: UserView) -> Iterator[tuple[str, str]]:
    yield from _find_contradictions(arrival, step)
    if not case.fault.flags:
        yield from _find_wrong_flags(case, arrival, step.groups["chargeState"])
    if not case.fault.level:
        yield from _find_wrong_level(case, arrival, step.groups["chargeState"]["batteryLevel"])
    yield from _find_wrong_odometer(case, arrival, _get_distance(step.groups))
    location = step.groups["location"]
    if location["latitude"] == 0 and location["longitude"] == 0:
        yield "place", "0/0"


def _find_contradictions(arrival: Arrival, step: UserView) -> Iterator[tuple[str, str]]:
    charge = step.groups["chargeState"]
    state, is_charging, is_plugged_in = charge["powerDeliveryState"], charge["isCharging"], charge["isPluggedIn"]
    expected = (state == "PLUGGED_IN:CHARGING", state.startswith("PLUGGED_IN"))
    if state != "UNKNOWN" and (is_charging, is_plugged_in) != expected:
        yield "agreement", f"{state}, isCharging {is_charging}, isPluggedIn {is_plugged_in}"
    if not is_charging and (charge["chargeRate"] or charge["chargeTimeRemaining"]):
        yield "stale", f"rate {charge['chargeRate']}, {charge['chargeTimeRemaining']} minutes while not charging"
    seen = parse_datetime(step.groups, "lastSeen")
    if seen is not None and seen > arrival.arrived_at + MAX_CLOCK_LEAD:
        yield "last seen", f"{seen} in an event of {arrival.arrived_at}"


def _find_wrong_flags(case: Case, arrival: Arrival, charge: Json) -> Iterator[tuple[str, str]]:
    poll = case.day.polls[arrival.poll]
    if _is_before_capped_time(case, arrival):
        return
    true = poll.view["chargeState"]
    may_be_unknown = case.fault.unknown or not arrival.event["vehicle"]["isReachable"]  # then it expires
    for name in ("isCharging", "isPluggedIn"):
        may_be_wrong = may_be_unknown and (charge[name] is None or case.is_faulty(arrival))
        if charge[name] != true[name] and not may_be_wrong:
            yield name, f"{charge[name]}, true {true[name]}"


def _is_before_capped_time(case: Case, arrival: Arrival) -> bool:
    """Whether an event with a wrong time, which counts as that of its arrival, seems to be newer than this one."""
    observed_at = format_time(case.day.polls[arrival.poll].at)
    return any(
        observed_at <= other.arrived_at <= arrival.arrived_at and other.poll < arrival.poll
        for other in case.list_with_wrong_times()
    )


def _find_wrong_level(case: Case, arrival: Arrival, level: float | None) -> Iterator[tuple[str, str]]:
    polls = case.day.polls[: arrival.poll + 1]
    at = polls[-1].at
    if case.is_faulty(arrival):
        first = next(index for index in range(arrival.poll, -1, -1) if index - 1 not in case.faulted.indexes)
        if at - polls[first].at > HELD:
            return  # it may count by now
    # A value that is held is the last one before the fault.
    recent = [poll for poll in polls[-MAX_RECENT:] if poll.at >= at - HELD]
    recent += polls[-2:-1]
    levels = [poll.view["chargeState"]["batteryLevel"] for poll in recent]
    margin = SAME_LEVEL + case.day.profile.step
    if level is None:
        if not case.fault.unknown:
            yield "level", f"unknown, true {levels[0]:g} %"
    elif not min(levels) - margin <= level <= max(levels) + margin:
        yield "level", f"{level:g} %, true {levels[0]:g} %"


def _find_wrong_odometer(case: Case, arrival: Arrival, distance: float | None) -> Iterator[tuple[str, str]]:
    polls = case.day.polls
    first, now = (polls[index].view["odometer"]["distance"] for index in (0, arrival.poll))
    if now is None:
        return
    if distance is None:
        if not case.fault.unknown:
            yield "odometer", f"unknown, true {now:g} km"
        return
    # A value that is held may be two readings old after the fault has ended.
    held = polls[max(0, arrival.poll - MAX_HELD_READINGS - len(case.faulted.indexes))].view["odometer"]["distance"]
    least = first if case.is_faulty(arrival) else held
    if not least - ODOMETER_ROUNDING_KM <= distance <= now + ODOMETER_ROUNDING_KM:
        yield "odometer", f"{distance:g} km, true {now:g} km"


def _get_distance(groups: Json) -> float | None:
    return (groups.get("odometer") or {}).get("distance")
