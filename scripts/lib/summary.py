"""The last lines of scripts/test: a table, what did not run and why, and one line that any machine can read."""

from collections import Counter
from collections.abc import Sequence

from scripts.lib.outcomes import SuiteOutcome

HEADINGS = ("suite", "passed", "failed", "skipped", "seconds")


def render_table(outcomes: Sequence[SuiteOutcome]) -> list[str]:
    """One row a suite."""
    rows = [HEADINGS]
    rows += [
        (one.name, f"{one.passed}", f"{one.failed}", f"{len(one.skips)}", f"{one.seconds:.1f}") for one in outcomes
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADINGS))]
    return [
        "  ".join(
            [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        )
        for row in rows
    ]


def list_skipped(outcomes: Sequence[SuiteOutcome]) -> list[str]:
    """One line for each thing and reason; the same reason in one file is told once."""
    counted = Counter((skip.subject, skip.reason) for outcome in outcomes for skip in outcome.skips)
    return [f"{what}{f' ({times} tests)' if times > 1 else ''}: {why}" for (what, why), times in counted.items()]


def render_totals(outcomes: Sequence[SuiteOutcome]) -> str:
    """`N passed, N failed, N skipped` over all suites."""
    passed = sum(outcome.passed for outcome in outcomes)
    failed = sum(outcome.failed for outcome in outcomes)
    skipped = sum(len(outcome.skips) for outcome in outcomes)
    return f"{passed} passed, {failed} failed, {skipped} skipped"


def find_failure_reason(outcomes: Sequence[SuiteOutcome], *, require_all: bool) -> str | None:
    """Why the run as a whole is no success; None when it is one."""
    if any(outcome.failed for outcome in outcomes):
        return f"failed: {', '.join(outcome.name for outcome in outcomes if outcome.failed)}"
    if require_all and any(outcome.skips for outcome in outcomes):
        return "something did not run, and --require-all wants everything"
    if not any(outcome.passed or outcome.skips for outcome in outcomes):
        return "no test matches these arguments"
    return None
