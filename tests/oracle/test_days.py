"""Random days of simulated cars: what the relay derives is the physical truth, whatever the cars report.

`python -m tests.oracle` runs thousands of days; these are a fixed small share.
"""

from dataclasses import replace
from functools import cache
from itertools import islice

import pytest

from tests.oracle.checks import check_case
from tests.oracle.faults import FAULTS
from tests.oracle.known_failures import KNOWN_FAILURES
from tests.oracle.relay_door import Session
from tests.oracle.runs import HONEST, ReportedDay

# Days of up to 190 polls, with every kind of car and activity; each kind of fault is tried on two that it fits.
SEEDS = (3, 9, 18, 28, 38, 50, 57, 58, 60, 80, 93, 107, 119, 132)
DAYS_PER_KIND = 2


@cache
def get_day(seed):
    return ReportedDay(seed)


def mark(*values, key):
    reason = KNOWN_FAILURES.get(key)
    return pytest.param(*values, marks=[pytest.mark.xfail(reason=reason, strict=True)] if reason else [], id=str(key))


@pytest.mark.parametrize("seed", [mark(seed, key=seed) for seed in SEEDS])
def test_a_day_without_faults_is_derived_and_shown_as_it_was(seed):
    assert list(map(str, get_day(seed).honest_result.failures)) == []


@pytest.mark.parametrize("kind", [mark(kind, key=kind) for kind in FAULTS])
def test_a_fault_changes_nothing_that_is_derived_and_shown(kind):
    results = list(islice(filter(None, (get_day(seed).run(kind) for seed in SEEDS)), DAYS_PER_KIND))
    assert results, "no day fits this fault"
    assert {result.seed: list(map(str, result.failures)) for result in results if result.failures} == {}


@pytest.mark.parametrize(
    ("change", "check"),
    [
        (lambda outcome: {"sessions": scale_sessions(outcome.sessions, 1.2)}, "energy"),
        (lambda outcome: {"sessions": scale_sessions(outcome.sessions, 0.8)}, "energy"),
        (lambda _: {"sessions": ()}, "missed"),
        (lambda outcome: {"sessions": (*outcome.sessions, Session(start=1, end=60, kwh=1, at_home=True))}, "phantom"),
        (lambda outcome: {"lifetime_kwh": outcome.lifetime_kwh * 1.2}, "lifetime"),
        (lambda _: {"home_kwh": 0.0}, "home"),
        (lambda outcome: {"sessions": move_sessions(outcome.sessions)}, "home"),
        (lambda _: {"discharged_kwh": 5.0}, "discharged"),
        (
            lambda outcome: {"steps": (replace(outcome.steps[0], corrections=("rule",)), *outcome.steps[1:])},
            "corrections",
        ),
        (lambda outcome: {"steps": tuple(replace(step, transitions=()) for step in outcome.steps)}, "transitions"),
    ],
)
def test_a_wrong_result_is_a_failure(change, check):
    result = get_day(112).honest_result
    assert check not in {failure.check for failure in result.failures}
    outcome = replace(result.outcome, **change(result.outcome))
    assert check in {failure.check for failure in check_case(result.case, outcome, outcome)}


def test_another_result_for_another_order_is_a_failure():
    result = get_day(112).honest_result
    reordered = replace(result.outcome, sessions=scale_sessions(result.outcome.sessions, 1.01))
    assert "order" in {failure.check for failure in check_case(result.case, result.outcome, reordered)}


def test_the_same_seed_gives_the_same_day():
    assert ReportedDay(28).run(HONEST) == get_day(28).run(HONEST)


def scale_sessions(sessions, factor):
    return tuple(replace(session, kwh=(session.kwh or 0.0) * factor) for session in sessions)


def move_sessions(sessions):
    return tuple(replace(session, at_home=not session.at_home) for session in sessions)
