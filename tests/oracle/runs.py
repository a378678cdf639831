"""Run days: without faults, and with each kind of fault."""

from dataclasses import dataclass, replace
from functools import cached_property
from random import Random

from tests.oracle.cases import Case, Failure
from tests.oracle.checks import check_case
from tests.oracle.days import simulate_day
from tests.oracle.enode_feed import report_polls, shuffle_arrivals
from tests.oracle.faults import FAULTS, NO_FAULT
from tests.oracle.relay_door import Outcome, process_at_once, process_in_order

HONEST = NO_FAULT.kind
KINDS = (HONEST, *FAULTS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """The result of one day with one kind of fault."""

    kind: str
    case: Case
    outcome: Outcome
    failures: list[Failure]

    @property
    def seed(self) -> int:
        return self.case.day.seed


class ReportedDay:
    """A day and its reports without faults, to be run with any kind of fault."""

    def __init__(self, seed: int) -> None:
        self.day = simulate_day(seed)
        self._honest = report_polls(self.day.polls, self.day.profile.reporting, seed)

    @cached_property
    def honest_result(self) -> Result:
        """The result without faults."""
        return self._judge(HONEST, Case(day=self.day, honest=self._honest, arrivals=self._honest))

    def run(self, kind: str) -> Result | None:
        """The result with this kind of fault; None if it doesn't fit the day.

        What fails without the fault as well isn't a failure of this kind.
        """
        if kind == HONEST:
            return self.honest_result
        fault = FAULTS[kind]
        faulted = fault.apply(Random(f"{self.day.seed} {kind}"), self.day)  # noqa: S311 - reproducible, not secret
        if faulted is None:
            return None
        arrivals = report_polls(faulted.polls, self.day.profile.reporting, self.day.seed)
        case = Case(day=self.day, honest=self._honest, arrivals=arrivals, fault=fault, faulted=faulted)
        result = self._judge(kind, case)
        known = {failure.check for failure in self.honest_result.failures}
        return replace(result, failures=[failure for failure in result.failures if failure.check not in known])

    def _judge(self, kind: str, case: Case) -> Result:
        outcome = process_in_order(case.arrivals)
        reordered = process_at_once(shuffle_arrivals(case.arrivals, self.day.seed))
        return Result(kind=kind, case=case, outcome=outcome, failures=check_case(case, outcome, reordered))
