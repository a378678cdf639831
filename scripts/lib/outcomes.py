"""Read the outcome of a test suite from pytest's JUnit report."""

import ast
import re
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree as ET

# Exit statuses of pytest with a complete report: all passed, some failed, nothing collected.
REPORTED_STATUSES = frozenset({0, 1, 5})


@dataclass(frozen=True, kw_only=True, slots=True)
class Skip:
    """A test or suite that did not run, and the reason."""

    subject: str
    reason: str


@dataclass(frozen=True, kw_only=True, slots=True)
class SuiteOutcome:
    """The result counts of one suite. `notes` are printed below the summary."""

    name: str
    seconds: float
    passed: int = 0
    failed: int = 0
    skips: tuple[Skip, ...] = ()
    notes: tuple[str, ...] = ()


def read_outcome(name: str, seconds: float, report: Path, status: int) -> SuiteOutcome:
    """Read the outcome of a pytest run with exit status `status`. `report` may be missing."""
    cases = list(ET.parse(report).iter("testcase")) if report.exists() else []  # noqa: S314 - written by our own pytest
    failed = sum(1 for case in cases if case.find("failure") is not None or case.find("error") is not None)
    skips = tuple(skip for case in cases if (skip := _find_skip(case)) is not None)
    passed = len(cases) - failed - len(skips)
    if failed == 0 and (status == 1 or status not in REPORTED_STATUSES or not report.exists()):
        failed = 1  # usage error, interrupt or crash: count it as one failure
    return SuiteOutcome(name=name, seconds=seconds, passed=passed, failed=failed, skips=skips)


def _find_skip(case: ET.Element) -> Skip | None:
    """Return why this case did not run; None if it ran. Expected failures did run."""
    skipped = case.find("skipped")
    if skipped is None or skipped.get("type") == "pytest.xfail":
        return None
    subject = case.get("file") or case.get("classname") or case.get("name") or "a test"
    return Skip(subject=subject, reason=_extract_reason(skipped.get("message") or "", skipped.text or ""))


def _extract_reason(message: str, text: str) -> str:
    """Extract the reason. For a module-level skip, the text is a tuple (file, line, reason)."""
    if message == "collection skipped" and re.fullmatch(r"\(.*\)", text, re.DOTALL):
        message = str(ast.literal_eval(text)[-1])
    return message.removeprefix("Skipped: ") or "no reason given"
