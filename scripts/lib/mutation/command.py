"""scripts/mutate: mutate the code and report the mutants that no test notices."""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from scripts.lib.child_processes import ROOT, stop_children_on_sigterm
from scripts.lib.mutation.decorators import lift_decorators
from scripts.lib.mutation.report import REQUIRED_PERCENT, judge, render_survivor, render_table
from scripts.lib.mutation.tables import ModuleRow, Mutant
from scripts.lib.mutation.tool import ToolRun, run_tool
from scripts.lib.mutation.workspace import copy_tree
from tests.mutation.accepted import ACCEPTED
from tests.mutation.modules import MODULES

DESCRIPTION = """\
Change the code in small ways (mutants), one at a time, and check that a test fails for each: it is killed.

MODULE is a path such as relay/vehicles/merge.py, a folder, or relay/vehicles/merge.py::function. Without MODULE,
everything in tests/mutation/modules.py is mutated. The working tree is never changed.
"""
COMPONENT_OPTIONS = ("-c", "tests/component/pytest.ini")
RELAY_OPTIONS = ("-p", "pytest_asyncio.plugin", "-p", "pytest_timeout")
WITHOUT_DATABASE = ("-p", "scripts.lib.mutation.no_database")


def plan_runs(rows: Sequence[ModuleRow], selectors: Sequence[str]) -> list[ToolRun]:
    """Plan one run of mutmut for each row of the table that the selectors name, or for all rows."""
    runs = []
    for row in rows:
        modules = [path.relative_to(ROOT).as_posix() for glob in row.modules for path in sorted(ROOT.glob(glob))]
        tests = [path.relative_to(ROOT).as_posix() for glob in row.tests for path in sorted(ROOT.glob(glob))]
        selected = [module for module in modules if not selectors or any(matches(module, s) for s in selectors)]
        if selected:
            is_component = row.modules[0].startswith("custom_components/")
            options = COMPONENT_OPTIONS if is_component else RELAY_OPTIONS
            run = ToolRun(
                modules=tuple(selected),
                tests=tuple(tests),
                pytest_options=options if row.with_database or is_component else (*options, *WITHOUT_DATABASE),
                autoload_plugins=is_component,
            )
            runs.append(replace(run, functions=select_functions(selected, selectors)))
    return runs


def matches(module: str, selector: str) -> bool:
    """Whether a selector names a module, or its folder, or one of its functions."""
    path = selector.partition("::")[0].rstrip("/")
    return module == path or module.startswith(f"{path}/")


def select_functions(modules: Sequence[str], selectors: Sequence[str]) -> frozenset[tuple[str, str]] | None:
    """Return the functions that the selectors name; None if they name whole modules."""
    pairs = [selector.partition("::") for selector in selectors]
    functions = frozenset((path, function) for path, _, function in pairs if function and path in modules)
    return functions or None


def run_all(runs: Sequence[ToolRun], workers: int) -> list[Mutant]:
    """Run mutmut for all of these, several at a time."""
    started = time.monotonic()

    def report(text: str) -> None:
        print(f"[{time.monotonic() - started:5.0f} s] {text}", flush=True)

    with tempfile.TemporaryDirectory(prefix="evconduit-mutate-") as name:
        folder = Path(name)
        (folder / "base").mkdir()
        copy_tree(folder / "base")
        for module in {module for run in runs for module in run.modules}:
            path = folder / "base" / module
            path.write_text(lift_decorators(path.read_text(encoding="utf-8")), encoding="utf-8")
        side_by_side = max(1, min(workers, len(runs)))

        def run_one(number: int) -> list[Mutant]:
            mutants = run_tool(
                runs[number],
                folder / "base",
                folder / f"run-{number}",
                workers=max(1, workers // side_by_side),
                on_progress=report,
            )
            alive = sum(1 for mutant in mutants if not mutant.is_killed)
            report(f"{runs[number].title}: {len(mutants)} mutants, {alive} not killed")
            return mutants

        with ThreadPoolExecutor(side_by_side) as pool:
            return [mutant for mutants in pool.map(run_one, range(len(runs))) for mutant in mutants]


def main(argv: Sequence[str] | None = None) -> int:
    """Run scripts/mutate and return its exit status."""
    parser = argparse.ArgumentParser(
        prog="scripts/mutate", description=DESCRIPTION, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--workers", type=int, default=os.process_cpu_count() or 1, help="how many run at a time")
    parser.add_argument("modules", nargs="*", metavar="MODULE")
    options = parser.parse_args(argv)
    stop_children_on_sigterm()
    runs = plan_runs(MODULES, options.modules)
    if not runs:
        parser.error("no row of tests/mutation/modules.py has such a module")
    verdict = judge(run_all(runs, options.workers), ACCEPTED)
    for mutant in verdict.survivors:
        print("", *render_survivor(mutant), sep="\n")
    print("", *render_table(verdict), sep="\n", flush=True)
    return 0 if verdict.percent >= REQUIRED_PERCENT else 1


if __name__ == "__main__":
    sys.exit(main())
