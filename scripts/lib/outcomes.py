"""What became of a suite, read from pytest's own JUnit report."""

import ast
import re
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree as ET

# Exit statuses of pytest that a report explains: all passed, some failed, nothing collected.
REPORTED_STATUSES = frozenset({0, 1, 5})


@dataclass(frozen=True, kw_only=True, slots=True)
class Skip:
    """Something that did not run, and why."""

    subject: str
    reason: str


@dataclass(frozen=True, kw_only=True, slots=True)
class SuiteOutcome:
    """Counts of one suite."""

    name: str
    seconds: float
    passed: int = 0
    failed: int = 0
    skips: tuple[Skip, ...] = ()


def read_outcome(name: str, seconds: float, report: Path, status: int) -> SuiteOutcome:
    """The outcome of a pytest run that ended with `status` and wrote `report`, if it got that far."""
    cases = list(ET.parse(report).iter("testcase")) if report.exists() else []  # noqa: S314 - written by our own pytest
    failed = sum(1 for case in cases if case.find("failure") is not None or case.find("error") is not None)
    skips = tuple(skip for case in cases if (skip := _find_skip(case)) is not None)
    passed = len(cases) - failed - len(skips)
    if failed == 0 and (status == 1 or status not in REPORTED_STATUSES or not report.exists()):
        failed = 1  # a usage error, an interrupt, a crash: no test of its own, but no success either
    return SuiteOutcome(name=name, seconds=seconds, passed=passed, failed=failed, skips=skips)


def _find_skip(case: ET.Element) -> Skip | None:
    """What this case says about not having run. An expected failure did run."""
    skipped = case.find("skipped")
    if skipped is None or skipped.get("type") == "pytest.xfail":
        return None
    what = case.get("file") or case.get("classname") or case.get("name") or "a test"
    return Skip(subject=what, reason=_extract_reason(skipped.get("message") or "", skipped.text or ""))


def _extract_reason(message: str, text: str) -> str:
    """The reason alone. A module that skips itself gets a report of a tuple (file, line, reason)."""
    if message == "collection skipped" and re.fullmatch(r"\(.*\)", text, re.DOTALL):
        message = str(ast.literal_eval(text)[-1])
    return message.removeprefix("Skipped: ") or "no reason given"
