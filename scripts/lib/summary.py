"""The summary of scripts/test: a table, the skipped tests with reasons, and a machine-readable last line."""

from collections import Counter
from collections.abc import Sequence

from scripts.lib.outcomes import SuiteOutcome

HEADINGS = ("suite", "passed", "failed", "skipped", "seconds")


def render_table(outcomes: Sequence[SuiteOutcome]) -> list[str]:
    """Render a table with one row for each suite."""
    rows = [HEADINGS]
    rows += [
        (outcome.name, f"{outcome.passed}", f"{outcome.failed}", f"{len(outcome.skips)}", f"{outcome.seconds:.1f}")
        for outcome in outcomes
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADINGS))]
    return [
        "  ".join(
            [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        )
        for row in rows
    ]


def list_skipped(outcomes: Sequence[SuiteOutcome]) -> list[str]:
    """List the skipped tests with reasons. The same reason in one file is listed once, with a count."""
    counts = Counter((skip.subject, skip.reason) for outcome in outcomes for skip in outcome.skips)
    return [
        f"{subject}{f' ({times} tests)' if times > 1 else ''}: {reason}" for (subject, reason), times in counts.items()
    ]


def render_totals(outcomes: Sequence[SuiteOutcome]) -> str:
    """Render `N passed, N failed, N skipped` over all suites."""
    passed = sum(outcome.passed for outcome in outcomes)
    failed = sum(outcome.failed for outcome in outcomes)
    skipped = sum(len(outcome.skips) for outcome in outcomes)
    return f"{passed} passed, {failed} failed, {skipped} skipped"


def find_failure_reason(outcomes: Sequence[SuiteOutcome], *, require_all: bool) -> str | None:
    """Return why the run as a whole has failed; None if it succeeded."""
    if any(outcome.failed for outcome in outcomes):
        return f"failed: {', '.join(outcome.name for outcome in outcomes if outcome.failed)}"
    if require_all and any(outcome.skips for outcome in outcomes):
        return "some tests were skipped, which --require-all does not allow"
    if not any(outcome.passed or outcome.skips for outcome in outcomes):
        return "no test matches these arguments"
    return None
