"""Print results: a table of failures by kind of fault, and a failing day's reports around the failure."""

from collections import Counter
from collections.abc import Mapping, Sequence

from demo.enode.problems import Json
from tests.oracle.cases import format_clock
from tests.oracle.days import START
from tests.oracle.enode_feed import Arrival
from tests.oracle.runs import Result

MAX_ROWS = 40
CONTEXT = 6


def render_table(kinds: Sequence[str], days: Mapping[str, int], failed: Mapping[str, Sequence[Result]]) -> str:
    """A row for each kind: days, failed days, which checks failed how often, and the shortest failing day."""
    lines = [f"{'kind':52} {'days':>5} {'failed':>6}  checks (days), shortest failing seed"]
    for kind in kinds:
        results = failed.get(kind, [])
        checks = Counter(check for result in results for check in {failure.check for failure in result.failures})
        counts = ", ".join(f"{name} {count}" for name, count in checks.most_common())
        shortest = min(results, key=lambda result: len(result.case.arrivals), default=None)
        seed = "" if shortest is None else f"; seed {shortest.seed} ({len(shortest.case.arrivals)} events)"
        lines.append(f"{kind:52} {days.get(kind, 0):5} {len(results):6}  {counts}{seed}")
    return "\n".join(lines)


def render_result(result: Result) -> str:
    """A failing day: the car, its failures, and its reports with what the relay showed."""
    case = result.case
    lines = [
        f"== seed {result.seed}, {result.kind}: {case.day.profile.describe()}",
        "legs: " + ", ".join(f"{format_clock(at)} {name}" for at, name in case.day.legs),
        "true charges: " + (", ".join(_render_flow(flow) for flow in case.day.flows) or "none"),
        "sessions: " + (", ".join(_render_session(session) for session in result.outcome.sessions) or "none"),
        *(f"FAILED {failure}" for failure in result.failures),
    ]
    rows = _select_rows(result)
    last = -1
    for index in rows:
        if index != last + 1:
            lines.append("   …")
        last = index
        arrival = case.arrivals[index]
        shown = result.outcome.steps[index]
        mark = "*" if case.is_faulty(arrival) else " "
        lines.append(f" {mark} {_render_event(arrival)}")
        told, seen = (_render_charge(groups) for groups in (arrival.event["vehicle"], shown.groups))
        if told != seen or shown.corrections or shown.transitions:
            lines.append(f"     shown {seen} {list(shown.corrections)} {list(shown.transitions)}")
    return "\n".join(lines)


def _select_rows(result: Result) -> list[int]:
    arrivals, polls = result.case.arrivals, result.case.day.polls
    if len(arrivals) <= MAX_ROWS:
        return list(range(len(arrivals)))
    times = [failure.at for failure in result.failures if failure.at is not None] or [0.0]
    chosen: set[int] = set()
    for at in times[:3]:
        nearest = min(range(len(arrivals)), key=lambda index: abs(polls[arrivals[index].poll].at - at))
        chosen |= set(range(max(0, nearest - CONTEXT), min(len(arrivals), nearest + CONTEXT)))
    chosen |= {index for index, arrival in enumerate(arrivals) if result.case.is_faulty(arrival)}
    return sorted(chosen)[:MAX_ROWS]


def _render_flow(flow) -> str:
    name = "discharged " if flow.is_discharge else ""
    return f"{format_clock(flow.start)}-{format_clock(flow.end)} {name}{flow.kwh:.2f} kWh"


def _render_session(session) -> str:
    kwh = "unknown" if session.kwh is None else f"{session.kwh:.2f} kWh"
    return f"{format_clock(session.start)}-{format_clock(session.end)} {kwh}"


def _render_event(arrival: Arrival) -> str:
    vehicle = arrival.event["vehicle"]
    created = format_clock((arrival.arrived_at - START).total_seconds())
    return f"{created} updated {str(vehicle['chargeState']['lastUpdated'])[5:19]} {_render_charge(vehicle)}"


def _render_charge(groups: Json) -> str:
    charge, odometer = groups["chargeState"], groups["odometer"]
    flags = "".join(
        letter if charge[name] else "?" if charge[name] is None else "-"
        for letter, name in (("P", "isPluggedIn"), ("C", "isCharging"))
    )
    state = charge["powerDeliveryState"].removeprefix("PLUGGED_IN:")
    place = "home" if groups["location"]["latitude"] == 52.0907 else groups["location"]["latitude"]
    return (
        f"{charge['batteryLevel']} % {flags} {state} {charge['chargeRate']} kW, range {charge['range']},"
        f" {odometer['distance']} km, {place}{'' if groups.get('isReachable') else ' unreachable'}"
    )
