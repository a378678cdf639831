"""Compare derived sessions and counters with the energy that physically flowed."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

from tests.oracle.cases import Case, Failure
from tests.oracle.fault_edits import MAX_FLICKER, is_charging, is_plugged_in
from tests.oracle.relay_door import Outcome, Session
from tests.oracle.tolerances import MAX_PAUSE, Charge, list_charges

NOISE_KWH = 0.01
MAX_TOP_UP_KWH = 0.05


def check_energy(case: Case, outcome: Outcome) -> Iterator[Failure]:
    """All failures of sessions and counters."""
    charges = list_charges(
        case.day,
        case.honest,
        is_power_true=not case.fault.power,
        steps_for_fault=0 if case.is_honest else 1,
    )
    for charge in charges:
        charge.window = _widen_window(case, charge.window)
    yield from check_sessions(case, [charge for charge in charges if not charge.is_discharge], outcome)
    yield from check_counters(case, charges, outcome)


def _widen_window(case: Case, window: tuple[float, float]) -> tuple[float, float]:
    """`window` from and to a report without the fault: a faulty one doesn't show when a charge began or ended."""
    times = {case.day.polls[arrival.poll].at: case.is_faulty(arrival) for arrival in case.arrivals}
    start, end = window
    before = [at for at, is_faulty in times.items() if at <= start and not is_faulty]
    after = [at for at, is_faulty in times.items() if at >= end and not is_faulty]
    return (max(before), min(after)) if before and after else window


def check_sessions(case: Case, charges: Sequence[Charge], outcome: Outcome) -> Iterator[Failure]:
    """Each charge is a session with its energy, and each session is a charge."""
    sessions = [session for session in outcome.sessions if not session.is_discharge]
    for group, members in match(charges, sessions):
        if not group:
            kwh = sum(session.kwh or 0.0 for session in members)
            if kwh < MAX_TOP_UP_KWH and _is_reported_charging(case, members):
                continue  # a car at its limit that charged for seconds
            if not kwh and case.day.profile.is_hybrid and case.day.profile.told_capacity is None:
                continue  # charged by its engine: nobody can tell that it isn't a larger car at a fast charger
            yield Failure(check="phantom", detail=f"session of {kwh:.2f} kWh, but nothing charged", at=members[0].start)
            continue
        if not members:
            if any(charge.must_be_found for charge in group):
                kwh = sum(charge.kwh for charge in group)
                yield Failure(check="missed", detail=f"no session of {kwh:.2f} kWh", at=group[0].start)
            continue
        yield from _check_energy(group, members)
        yield from _check_session_count(case, group, members)


def _is_reported_charging(case: Case, sessions: list[Session]) -> bool:
    reports = [case.day.polls[arrival.poll] for arrival in case.honest]
    times = [poll.at for poll in reports if is_charging(poll)]
    return all(any(session.start <= at <= session.end for at in times) for session in sessions)


def _check_energy(charges: list[Charge], sessions: list[Session]) -> Iterator[Failure]:
    if any(charge.expected_kwh is None for charge in charges):
        return
    expected = sum(charge.expected_kwh or 0.0 for charge in charges)
    allowed = sum(charge.allowed_kwh for charge in charges)
    derived = sum(session.kwh or 0.0 for session in sessions)
    if abs(derived - expected) > allowed + NOISE_KWH:
        yield Failure(
            check="energy",
            detail=f"{derived:.2f} kWh, true {expected:.2f} ± {allowed:.2f}",
            at=charges[0].start,
        )


def _check_session_count(case: Case, charges: list[Charge], sessions: list[Session]) -> Iterator[Failure]:
    polls = case.day.profile.reporting.poll_idle
    if len(charges) == 1:
        [charge] = charges
        is_continuous = charge.max_pause + 2 * polls <= MAX_PAUSE and charge.max_gap <= MAX_PAUSE
        if is_continuous and len(sessions) > 1:
            yield Failure(check="split", detail=f"{len(sessions)} sessions for one charge", at=charge.start)
    for session in sessions:
        inside = [charge for charge in charges if session.start < charge.end and charge.start < session.end]
        if any(_is_seen_unplugged(case, one, other) for one, other in pairwise(inside)):
            yield Failure(check="joined", detail="one session for charges of several plug-ins", at=session.start)


def _is_seen_unplugged(case: Case, one: Charge, other: Charge) -> bool:
    """Whether reports between two charges show the car unplugged for longer than a flicker."""
    if one.flows[0].plug == other.flows[0].plug:
        return False
    polls = [case.day.polls[arrival.poll] for arrival in case.honest]
    between = [poll for poll in polls if one.end <= poll.at <= other.window[1]]
    unplugged = [poll.at for poll in between if not is_plugged_in(poll)]
    plugged_again = [poll.at for poll in between if is_plugged_in(poll) and unplugged and poll.at > unplugged[-1]]
    return bool(unplugged and plugged_again) and plugged_again[0] - unplugged[0] > MAX_FLICKER


def match(charges: Sequence[Charge], sessions: Sequence[Session]) -> Iterator[tuple[list[Charge], list[Session]]]:
    """Charges and sessions that overlap, directly or through each other."""
    items = sorted(
        [*((charge.window, charge, None) for charge in charges), *(((s.start, s.end), None, s) for s in sessions)],
        key=lambda item: item[0],
    )
    group: list[Charge] = []
    members: list[Session] = []
    end = float("-inf")
    for (start, stop), charge, session in items:
        if start >= end and not (start == end == stop) and (group or members):
            yield group, members
            group, members, end = [], [], float("-inf")
        end = max(end, stop)
        if charge is not None:
            group.append(charge)
        if session is not None:
            members.append(session)
    if group or members:
        yield group, members


def check_counters(case: Case, charges: Sequence[Charge], outcome: Outcome) -> Iterator[Failure]:
    """The counters have at most what was charged, also at home, and what was discharged."""
    charged = [charge for charge in charges if not charge.is_discharge]
    if all(charge.expected_kwh is not None for charge in charged):
        most = sum((charge.expected_kwh or 0.0) + charge.allowed_kwh for charge in charged)
        if outcome.lifetime_kwh > most + NOISE_KWH and not case.fault.counters:
            yield Failure(check="lifetime", detail=f"{outcome.lifetime_kwh:.2f} kWh, true at most {most:.2f}")
        if case.day.profile.tells("location.latitude"):
            yield from _check_home(case, charged, outcome)
    discharged = [charge for charge in charges if charge.is_discharge]
    if case.day.profile.told_capacity is None or any(charge.expected_kwh is None for charge in discharged):
        return
    expected = sum(charge.expected_kwh or 0.0 for charge in discharged)
    allowed = sum(charge.allowed_kwh for charge in discharged)
    derived = outcome.discharged_kwh
    if derived is None:
        if expected > allowed:
            yield Failure(check="discharged", detail=f"not derived, true {expected:.2f} kWh")
    elif abs(derived - expected) > allowed + NOISE_KWH:
        yield Failure(check="discharged", detail=f"{derived:.2f} kWh, true {expected:.2f} ± {allowed:.2f}")


def _check_home(case: Case, charges: list[Charge], outcome: Outcome) -> Iterator[Failure]:
    at_home = [charge for charge in charges if charge.at_home]
    expected = sum(charge.expected_kwh or 0.0 for charge in at_home)
    # Where the relay joins charges, or estimates one between two reports, its place is that of either report.
    allowed = sum(charge.allowed_kwh if charge.is_seen else charge.kwh + charge.allowed_kwh for charge in charges)
    derived = sum(session.kwh or 0.0 for session in outcome.sessions if session.at_home and not session.is_discharge)
    if abs(derived - expected) > allowed + NOISE_KWH:
        yield Failure(check="home", detail=f"{derived:.2f} kWh, true {expected:.2f} ± {allowed:.2f}")
    counted = outcome.home_kwh or 0.0
    if counted < derived - NOISE_KWH or (counted > expected + allowed + NOISE_KWH and not case.fault.counters):
        yield Failure(check="home", detail=f"counter {counted:.2f} kWh, true {expected:.2f} +- {allowed:.2f}")
