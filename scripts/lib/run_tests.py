"""scripts/test: all suites one after the other, and one summary at the end."""

import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from scripts.lib.children import run, stop_children_on_sigterm
from scripts.lib.lint import LINTERS, failing
from scripts.lib.outcomes import Outcome, Skip, read_outcome
from scripts.lib.programs import CHROMIUM, REDIS, ensure
from scripts.lib.suites import PytestRun, route, understand
from scripts.lib.summary import closing_line, complaint, did_not_run, table

HELP = """\
usage: scripts/test [--require-all] [--no-lint] [--no-demo] [ARGUMENTS OF PYTEST]

Without arguments, everything: the linters, the integration's tests (tests/component, a pytest run of their own because
Home Assistant's plugin would rule the others), all other tests, and the demo's check. With arguments for pytest only
pytest runs, and paths go to the run they belong to:

  scripts/test tests/relay -k meter
  scripts/test tests/component/test_switch.py
  scripts/test -x -k stream          both runs

  --require-all   what did not run is an error (CI)
  --no-lint       leave the linters out
  --no-demo       leave the demo's check out

The last lines tell what did not run and why, and then `N passed, N failed, N skipped`. Exit status 0, or 1.
"""
# Several times what it takes on two cores.
DEMO_CHECK_SECONDS = 1200.0
OURS = ("--require-all", "--no-lint", "--no-demo")


def lint() -> Outcome:
    """The linters as a suite of one test each."""
    started = time.monotonic()
    failed = len(failing(LINTERS))
    return Outcome(name="lint", seconds=time.monotonic() - started, passed=len(LINTERS) - failed, failed=failed)


def pytest(suite: PytestRun, arguments: Sequence[str]) -> Outcome:
    """One pytest run."""
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="evconduit-test-") as folder:
        report = Path(folder) / "report.xml"
        reporting = (f"--junitxml={report}", "-o", "junit_family=xunit1")  # xunit1 names the file of a test
        status = run([sys.executable, "-m", "pytest", *arguments, *reporting])
        return read_outcome(suite.name, time.monotonic() - started, report, status)


def demo() -> Outcome:
    """The demo's check: the product end to end, as a person meets it."""
    started = time.monotonic()
    failed = int(run([sys.executable, "-m", "demo", "--check"], timeout=DEMO_CHECK_SECONDS) != 0)
    return Outcome(name="scripts/demo --check", seconds=time.monotonic() - started, passed=1 - failed, failed=failed)


def left_out(name: str, option: str) -> Outcome:
    """A suite that the caller did not want."""
    return Outcome(name=name, seconds=0, skips=(Skip(what=name, why=f"left out by {option}"),))


def run_all(arguments: Sequence[str], flags: set[str]) -> list[Outcome]:
    """Every suite that these arguments ask for."""
    runs = route(understand(arguments, Path.cwd()))
    if arguments:
        return [pytest(suite, its_arguments) for suite, its_arguments in runs]
    no_browser = ensure(CHROMIUM)
    ensure(REDIS)  # its tests say by themselves that they did not run
    outcomes = [left_out("lint", "--no-lint") if "--no-lint" in flags else lint()]
    outcomes += [pytest(suite, its_arguments) for suite, its_arguments in runs]
    checked = left_out("scripts/demo --check", "--no-demo") if "--no-demo" in flags else demo()
    if no_browser is not None:
        checked = replace(checked, skips=(*checked.skips, Skip(what="what a browser shows", why=no_browser)))
    return [*outcomes, checked]


def report(outcomes: Sequence[Outcome], *, require_all: bool) -> int:
    """Prints the summary; the exit status."""
    print("", *table(outcomes), sep="\n")
    if missed := did_not_run(outcomes):
        print("", "did not run, and why:", *(f"  {line}" for line in missed), sep="\n")
    why = complaint(outcomes, require_all=require_all)
    print("", *([why] if why else []), closing_line(outcomes), sep="\n", flush=True)
    return 1 if why else 0


def main(argv: Sequence[str]) -> int:
    """The command."""
    if "--help" in argv or "-h" in argv:
        print(HELP, end="")
        return 0
    stop_children_on_sigterm()
    flags = {argument for argument in argv if argument in OURS}
    try:
        outcomes = run_all([argument for argument in argv if argument not in OURS], flags)
    except KeyboardInterrupt:
        print("\nstopped before the end", flush=True)
        return 130
    return report(outcomes, require_all="--require-all" in flags)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
