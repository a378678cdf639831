"""scripts/mutate: mutate the code and report the mutants that no test notices."""

import argparse
import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from scripts.lib.child_processes import ROOT, stop_children_on_sigterm
from scripts.lib.mutation.changed import find_changed_functions, list_changed_lines
from scripts.lib.mutation.decorators import lift_decorators
from scripts.lib.mutation.pairs import PairError, PairOutcome, list_pairs, run_pairs
from scripts.lib.mutation.report import is_successful, judge, render_report
from scripts.lib.mutation.selection import Selection, plan_runs, select_changed, select_named
from scripts.lib.mutation.tables import Mutant
from scripts.lib.mutation.tool import ToolFailedError, ToolRun, run_tool
from scripts.lib.mutation.workspace import copy_tree, make_folder, map_in_threads, stop_running
from tests.mutation.accepted import ACCEPTED
from tests.mutation.modules import MODULES
from tests.mutation.pairs import PAIRS

DESCRIPTION = """\
Change the code in small ways (mutants), one at a time, and check that a test fails: then the mutant is killed.

Two kinds of mutants are tried:
  * mutmut changes the functions of pure modules. tests/mutation/modules.py says which modules, and which tests judge
    them. It leaves out docstrings and calls of a logger: no test has to notice those.
  * Pairs, written by hand, change SQL and constants. They are in tests/mutation/pairs.

The working tree is copied, with changes that are not committed, and never touched. MODULE is a path such as
relay/vehicles/merge.py, a folder, or relay/vehicles/merge.py::function. Without MODULE, everything runs, which takes
a long time. Survivors that no test has to notice are listed, with reasons, in tests/mutation/accepted.

Exit status: 1 if fewer than 90 % of mutmut's mutants are killed, or if a pair survives; 2 if something didn't run.
"""


@dataclass(kw_only=True, slots=True)
class Results:
    """What became of all mutants, and the errors of runs that did not finish."""

    mutants: list[Mutant] = field(default_factory=list)
    outcomes: list[PairOutcome] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)


def run_tool_on_all(runs: Sequence[ToolRun], folder: Path, workers: int, report: Callable[[str], None]) -> Results:
    """Run mutmut for all of these, several at a time. One that fails doesn't stop the others."""
    results = Results()
    base = folder / "base"
    base.mkdir()
    copy_tree(base)
    for module in {module for run in runs for module in run.modules}:
        path = base / module
        path.write_text(lift_decorators(path.read_text(encoding="utf-8")), encoding="utf-8")
    side_by_side = max(1, min(workers, len(runs)))

    def run_one(number: int) -> None:
        run = runs[number]
        share = max(1, workers // side_by_side)
        try:
            mutants = run_tool(run, base, folder / f"run-{number}", workers=share, on_progress=report)
        except ToolFailedError as error:
            results.errors.append(str(error))
            report(f"{run.title}: failed")
            return
        results.mutants += mutants
        alive = sum(1 for mutant in mutants if not mutant.is_killed)
        report(f"{run.title}: finished, {len(mutants)} mutants, {alive} not killed")

    map_in_threads(run_one, range(len(runs)), side_by_side, stop=stop_running)
    results.mutants.sort(key=lambda mutant: (mutant.module, mutant.function))
    return results


def run_selection(selection: Selection, workers: int) -> Results:
    """Try all selected mutants in a temporary folder."""
    started = time.monotonic()

    def report(text: str) -> None:
        print(f"[{time.monotonic() - started:5.0f} s] {text}", flush=True)

    with make_folder() as folder:
        results = run_tool_on_all(selection.runs, folder, workers, report) if selection.runs else Results()
        results.outcomes = run_pairs(selection.pairs, folder, workers=workers, on_progress=report)
    return results


def parse_arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        prog="scripts/mutate", description=DESCRIPTION, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--changed",
        action="store_true",
        help="only functions, and pairs of files, that differ from where the branch left main",
    )
    kinds = parser.add_mutually_exclusive_group()
    kinds.add_argument("--pairs-only", action="store_true", help="only the pairs")
    kinds.add_argument("--tool-only", action="store_true", help="only mutmut")
    parser.add_argument("--workers", type=int, default=os.process_cpu_count() or 1, help="how many tests run at a time")
    parser.add_argument("modules", nargs="*", metavar="MODULE", help="a module, a folder, or MODULE::FUNCTION")
    options = parser.parse_args(argv)
    if options.changed and options.modules:
        parser.error("--changed selects the modules itself")
    if options.workers < 1:
        parser.error("--workers must be at least 1")
    return options


def select(options: argparse.Namespace) -> Selection:
    """Select what the options name."""
    runs, pairs = plan_runs(MODULES), list_pairs(PAIRS)
    if options.changed:
        lines = list_changed_lines()
        selection = select_changed(runs, pairs, lines.keys(), find_changed_functions(lines))
    elif options.modules:
        selection = select_named(runs, pairs, [_strip_root(name) for name in options.modules])
    else:
        selection = Selection(runs=tuple(runs), pairs=tuple(pairs))
    return Selection(
        runs=() if options.pairs_only else selection.runs,
        pairs=() if options.tool_only else selection.pairs,
        left_out=selection.left_out,
    )


def _strip_root(name: str) -> str:
    path, colons, function = name.partition("::")
    absolute = (Path.cwd() / path).resolve()
    relative = absolute.relative_to(ROOT).as_posix() if absolute.is_relative_to(ROOT) else path
    return f"{relative}{colons}{function}"


def main(argv: Sequence[str] | None = None) -> int:
    """Run scripts/mutate and return its exit status."""
    options = parse_arguments(argv)
    stop_children_on_sigterm()
    selection = select(options)
    for line in selection.left_out:
        print(f"left out: {line}", flush=True)
    if not selection.runs and not selection.pairs:
        print("nothing to mutate")
        return 0 if options.changed else 2
    try:
        results = run_selection(selection, options.workers)
    except KeyboardInterrupt:
        print("\ninterrupted", flush=True)
        return 130
    except PairError as error:
        print(f"error: {error}", flush=True)
        return 2
    verdict = judge(results.mutants, ACCEPTED)
    print("", *render_report(verdict, results.outcomes), *results.errors, sep="\n", flush=True)
    if results.errors:
        return 2
    return 0 if is_successful(verdict, results.outcomes) else 1


if __name__ == "__main__":
    sys.exit(main())
