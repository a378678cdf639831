"""scripts/test: run all suites and print a summary."""

import sys
import tempfile
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import chain, islice
from pathlib import Path

from scripts.lib.audit import NOT_CHECKED, audit
from scripts.lib.changed_files import DEFAULT_BASE, select_affected_tests
from scripts.lib.child_processes import (
    ROOT,
    CommandResult,
    run_command,
    run_in_background,
    stop_children_on_sigterm,
)
from scripts.lib.git import GitError
from scripts.lib.lint import LINTERS
from scripts.lib.outcomes import Skip, SuiteOutcome, read_outcome
from scripts.lib.programs import CHROMIUM, FAKETIME, REDIS, ensure_installed
from scripts.lib.suites import IN_PARALLEL, PytestArguments, PytestRun, parse_arguments, select_runs
from scripts.lib.summary import find_failure_reason, list_skipped, render_table, render_totals

HELP = """\
usage: scripts/test [--changed[=REF]] [--require-all] [--no-lint] [--no-demo] [PYTEST_ARGUMENTS]

Without arguments, runs everything: the integration's tests (tests/component, in a pytest run of their own because Home
Assistant's plugin affects all tests of a run), all other tests, and beside them the linters and the demo's check, whose
output is printed when a pytest run has ended. With pytest arguments, runs only pytest; each path goes to the pytest run
it belongs to:

  scripts/test tests/relay -k meter
  scripts/test tests/component/test_switch.py
  scripts/test -x -k stream          (both pytest runs)
  scripts/test --changed             (the linters, and the tests that your changes can break)
  scripts/test --changed -x          (only those tests)

  --changed       run the test files that use a changed file, directly or through other files. Changes are your commits
                  since the merge base with main (or REF), and the working tree. Prints what is selected and left out.
  --require-all   run benchmarks and fault tests in full size, and scripts/audit, and fail if anything was skipped
                  (for CI)
  --no-lint       skip the linters
  --no-demo       skip the demo's check

The last lines list what was skipped and why, then `N passed, N failed, N skipped`. Exit status: 0 or 1; 2 for wrong
arguments.
"""
LINT = "lint"
DEMO_CHECK = "scripts/demo --check"
AUDIT_NOTE = "scripts/audit: the database of known vulnerabilities could not be reached"
# What runs beside pytest. Each command counts as one test.
COMMAND_SUITES: Mapping[str, Sequence[Sequence[str]]] = {
    LINT: [linter.command(fix=False) for linter in LINTERS],
    DEMO_CHECK: [(sys.executable, "-m", "demo", "--check")],
}
# Exists after pytest has collected tests.
COLLECTED = ROOT / "tests" / "__pycache__" / "conftest.*-pytest-*.pyc"
# For each command: several times the duration on two cores.
COMMAND_SECONDS = 1200.0
OWN_OPTIONS = ("--changed", "--require-all", "--no-lint", "--no-demo")


class UsageError(Exception):
    """The arguments contradict each other, or cannot be used."""


def run_pytest_suite(suite: PytestRun, arguments: Sequence[str]) -> SuiteOutcome:
    """Run pytest."""
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="evconduit-test-") as folder:
        report = Path(folder) / "report.xml"
        reporting = (f"--junitxml={report}", "-o", "junit_family=xunit1")  # xunit1 contains the test's file
        status = run_command([sys.executable, "-m", "pytest", *arguments, *reporting])
        return read_outcome(suite.name, time.monotonic() - started, report, status)


def count_commands(name: str, results: Sequence[CommandResult]) -> SuiteOutcome:
    """Return the outcome of a suite of commands, each of which counts as one test."""
    failed = sum(result.status != 0 for result in results)
    seconds = sum(result.seconds for result in results)
    return SuiteOutcome(name=name, seconds=seconds, passed=len(results) - failed, failed=failed)


def write_bytecode(runs: Sequence[tuple[PytestRun, Sequence[str]]]) -> None:
    """Collect the tests once if this has never been done, as in a new clone. The runs report what fails.

    Python and pytest then write the bytecode of all that the tests import. Otherwise the workers of a run, which import
    the same at the same time, would each compile it: 10 s of CPU time.
    """
    commands = [
        [sys.executable, "-m", "pytest", *run.options, "--collect-only", "-qqq", *run.paths]
        for run, arguments in runs
        if set(IN_PARALLEL) <= set(arguments)
    ]
    if commands and next(COLLECTED.parent.glob(COLLECTED.name), None) is None:
        with run_in_background(commands, at_once=len(commands), timeout=COMMAND_SECONDS):
            pass


def run_audit() -> SuiteOutcome:
    """Look for known vulnerabilities. A machine that can't reach the database gets a note instead of a failure."""
    started = time.monotonic()
    status = audit(dev=False, service_url=None)
    notes = (AUDIT_NOTE,) if status == NOT_CHECKED else ()
    passed, failed = int(status == 0), int(status not in {0, NOT_CHECKED})
    seconds = time.monotonic() - started
    return SuiteOutcome(name="scripts/audit", seconds=seconds, passed=passed, failed=failed, notes=notes)


def skip_suite(name: str, option: str) -> SuiteOutcome:
    """Return the outcome of a suite that an option skips."""
    return SuiteOutcome(name=name, seconds=0, skips=(Skip(subject=name, reason=f"skipped by {option}"),))


def select_changed(arguments: PytestArguments, base: str) -> tuple[PytestArguments, Sequence[Skip]]:
    """Add the test files that the changes since `base` affect. Also returns what that leaves out."""
    if arguments.paths:
        raise UsageError(f"--changed selects the test files itself; leave out {' '.join(arguments.paths)}")
    try:
        selection = select_affected_tests(base)
    except GitError as error:
        raise UsageError(f"--changed={base}: {error}") from None
    if selection.reason_for_all:
        return arguments, ()
    left_out = f"{selection.total - len(selection.files)} test files"
    return replace(arguments, paths=selection.files), (Skip(subject=left_out, reason="not affected by the changes"),)


def run_suites(arguments: Sequence[str], flags: Mapping[str, str]) -> list[SuiteOutcome]:
    """Run the suites that these arguments select."""
    selected = parse_arguments(arguments, Path.cwd())
    left_out: Sequence[Skip] = ()
    if "--changed" in flags:
        selected, left_out = select_changed(selected, flags["--changed"] or DEFAULT_BASE)
    runs = select_runs(selected, require_all="--require-all" in flags)
    if arguments:
        return [run_pytest_suite(suite, run_arguments) for suite, run_arguments in runs]
    browser_skip_reason = ensure_installed(CHROMIUM)
    for program in (REDIS, FAKETIME):  # their tests report by themselves if one is missing
        ensure_installed(program)
    skipped_by = {LINT: "--no-lint"} if "--no-lint" in flags else {}
    if left_out or "--no-demo" in flags:
        skipped_by[DEMO_CHECK] = "--changed" if left_out else "--no-demo"
    if browser_skip_reason is not None:
        left_out = (*left_out, Skip(subject="browser checks", reason=browser_skip_reason))
    audit_outcomes = [run_audit()] if "--require-all" in flags else []
    *outcomes, demo_outcome = run_all(runs, skipped_by)
    return [*audit_outcomes, *outcomes, replace(demo_outcome, skips=(*demo_outcome.skips, *left_out))]


def run_all(runs: Sequence[tuple[PytestRun, Sequence[str]]], skipped_by: Mapping[str, str]) -> Sequence[SuiteOutcome]:
    """Run pytest, and beside it the linters and the demo's check, one after the other: they leave processors idle."""
    commands = {name: () if name in skipped_by else suite for name, suite in COMMAND_SUITES.items()}
    with run_in_background(list(chain.from_iterable(commands.values())), timeout=COMMAND_SECONDS) as futures:
        write_bytecode(runs)
        pytest_outcomes = []
        unprinted = deque(futures)
        for suite, arguments in runs:
            pytest_outcomes.append(run_pytest_suite(suite, arguments))
            while unprinted and unprinted[0].done():
                unprinted.popleft().result().print()
        for future in unprinted:
            future.result().print()
    results = (future.result() for future in futures)
    lint_outcome, demo_outcome = (
        skip_suite(name, skipped_by[name])
        if name in skipped_by
        else count_commands(name, list(islice(results, len(suite))))
        for name, suite in commands.items()
    )
    return [lint_outcome, *pytest_outcomes, demo_outcome]


def print_summary(outcomes: Sequence[SuiteOutcome], *, require_all: bool) -> int:
    """Print the summary and return the exit status."""
    print("", *render_table(outcomes), sep="\n")
    if skipped := list_skipped(outcomes):
        print("", "skipped:", *(f"  {line}" for line in skipped), sep="\n")
    if notes := [note for outcome in outcomes for note in outcome.notes]:
        print("", *notes, sep="\n")
    reason = find_failure_reason(outcomes, require_all=require_all)
    print("", *([reason] if reason else []), render_totals(outcomes), sep="\n", flush=True)
    return 1 if reason else 0


def split_own_options(argv: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    """Split arguments into this command's options with their values, and pytest's arguments."""
    flags: dict[str, str] = {}
    arguments: list[str] = []
    for argument in argv:
        name, equals, value = argument.partition("=")
        if argument in OWN_OPTIONS or (name == "--changed" and value):
            flags[name] = value
        elif name in OWN_OPTIONS and equals:
            raise UsageError(f"{argument}: {'a REF is missing' if name == '--changed' else f'{name} has no value'}")
        else:
            arguments.append(argument)
    if {"--changed", "--require-all"} <= set(flags):
        raise UsageError("--changed leaves tests out, which --require-all does not allow")
    return flags, arguments


def main(argv: Sequence[str]) -> int:
    """Run scripts/test and return its exit status."""
    if "--help" in argv or "-h" in argv:
        print(HELP, end="")
        return 0
    stop_children_on_sigterm()
    try:
        flags, arguments = split_own_options(argv)
        outcomes = run_suites(arguments, flags)
    except UsageError as error:
        print(f"scripts/test: error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\ninterrupted", flush=True)
        return 130
    return print_summary(outcomes, require_all="--require-all" in flags)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
