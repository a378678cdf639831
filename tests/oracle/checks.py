"""Compare what the relay made of a day with the physical truth. Each failure names its check and its evidence."""

from collections.abc import Iterator
from datetime import timedelta

from demo.enode.problems import Json
from demo.enode.vehicle_view import TIMED_GROUPS
from relay.gateways.enode.json_fields import parse_datetime
from tests.oracle.cases import Case, Failure
from tests.oracle.energy_checks import check_energy
from tests.oracle.enode_feed import Arrival
from tests.oracle.relay_door import Outcome
from tests.oracle.shown_checks import HELD, check_shown
from tests.oracle.tolerances import list_gaps

HELD_NAMES = frozenset({"batteryLevel:held", "range:held"})
EXPIRY = timedelta(hours=8)
NAME_OF_ESTIMATE = "chargeRate:estimated"  # fills in a rate that the car doesn't report: it corrects nothing


def check_case(case: Case, outcome: Outcome, reordered: Outcome) -> list[Failure]:
    """All failures of a day."""
    return [
        *check_energy(case, outcome),
        *check_order(outcome, reordered),
        *check_corrections(case, outcome),
        *check_transitions(case, outcome),
        *check_shown(case, outcome),
    ]


def check_order(outcome: Outcome, reordered: Outcome) -> Iterator[Failure]:
    """Another order of arrival gives the same sessions and the same record."""
    if outcome.sessions != reordered.sessions:
        yield Failure(check="order", detail=f"other sessions: {reordered.sessions} instead of {outcome.sessions}")
    if outcome.shown != reordered.shown or outcome.corrections != reordered.corrections:
        changed = [name for name, value in outcome.shown.items() if reordered.shown.get(name) != value]
        names = sorted({*outcome.corrections} ^ {*reordered.corrections})
        yield Failure(check="order", detail=f"another record: {changed} {names}")


def check_corrections(case: Case, outcome: Outcome) -> Iterator[Failure]:
    """Nothing is corrected in reports that are true."""
    if not case.is_honest:
        return
    for arrival, step in zip(case.arrivals, outcome.steps, strict=True):
        if _has_expired(arrival):
            continue  # issue 12: charging and power of a car that can't be reached expire
        wrong = [name for name in step.corrections if name != NAME_OF_ESTIMATE]
        if wrong and not set(wrong) - HELD_NAMES and _has_hidden_stop(case, arrival):
            continue
        told = {name: arrival.event["vehicle"][name] for name in TIMED_GROUPS}
        if wrong:
            yield Failure(check="corrections", detail=", ".join(wrong), at=case.day.polls[arrival.poll].at)
            return
        if any(_without_estimate(step.groups, name, like=told) != told[name] for name in told):
            yield Failure(check="corrections", detail="other values, no name", at=case.day.polls[arrival.poll].at)
            return


def _has_hidden_stop(case: Case, arrival: Arrival) -> bool:
    """Whether the car was charged fast just before, between two reports that show it unplugged, as after a fault."""
    at = case.day.polls[arrival.poll].at
    recent = [gap for gap in list_gaps(case.day, case.honest) if at - HELD <= gap.truth.end <= at]
    return any(gap.truth.charged_kwh > 0 and not gap.shows_plug for gap in recent)


def _has_expired(arrival: Arrival) -> bool:
    vehicle = arrival.event["vehicle"]
    updated_at = parse_datetime(vehicle["chargeState"], "lastUpdated")
    return not vehicle["isReachable"] and updated_at is not None and arrival.arrived_at - updated_at > EXPIRY


def _without_estimate(groups: Json, name: str, like: Json | None = None) -> Json:
    members = groups[name]
    is_estimate = like is not None and name == "chargeState" and like[name]["chargeRate"] is None
    return {**members, "chargeRate": None} if is_estimate else members


def check_transitions(case: Case, outcome: Outcome) -> Iterator[Failure]:
    """Transitions are those of the true states, in their order."""
    if case.fault.flags or case.fault.unknown:
        return
    expected = list_true_transitions(case)
    derived = [
        "charging_ended" if kind in ENDS else kind
        for step in outcome.steps
        for kind in step.transitions
        if kind in KINDS
    ]
    if derived != expected:
        index = next((i for i, pair in enumerate(zip(derived, expected, strict=False)) if pair[0] != pair[1]), None)
        index = min(len(derived), len(expected)) if index is None else index
        detail = f"{derived[index : index + 3]} instead of {expected[index : index + 3]} after {derived[:index][-3:]}"
        yield Failure(check="transitions", detail=detail)


ENDS = frozenset({"charging_stopped", "charging_completed", "charging_fault"})
KINDS = frozenset({"plugged_in", "unplugged", "charging_started", "charging_stopped", "charging_completed"})


def list_true_transitions(case: Case) -> list[str]:
    """The transitions between the true states at the times of the reports."""
    found: list[str] = []
    before: Json | None = None
    for arrival in case.honest:
        now = arrival.event["vehicle"]["chargeState"]
        if before is not None:
            found += ["plugged_in"] if now["isPluggedIn"] and not before["isPluggedIn"] else []
            found += ["charging_started"] if now["isCharging"] and not before["isCharging"] else []
            is_fault = now["powerDeliveryState"] == "PLUGGED_IN:FAULT"
            has_ended = before["isCharging"] and not now["isCharging"]
            found += ["charging_ended"] if has_ended and not is_fault else []
            found += ["unplugged"] if before["isPluggedIn"] and not now["isPluggedIn"] else []
        before = now
    return found
