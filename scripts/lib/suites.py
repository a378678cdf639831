"""Assign tests to pytest runs. Home Assistant's plugin affects all tests of a run, so its tests have their own run."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from scripts.lib.child_processes import ROOT


@dataclass(frozen=True, kw_only=True, slots=True)
class PytestRun:
    """An invocation of pytest: its options, and its paths if none are given (else pyproject's testpaths).

    `require_all_options` are added for --require-all.
    """

    name: str
    options: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    require_all_options: tuple[str, ...] = ()


COMPONENT_RUN = PytestRun(
    name="tests/component",
    options=("-c", "tests/component/pytest.ini", "--rootdir", "."),
    paths=("tests/component",),
)
MAIN_RUN = PytestRun(name="all other tests", require_all_options=("--full",))
RUNS = (COMPONENT_RUN, MAIN_RUN)

# Tests also wait, mostly for processes and servers that start or stop: one worker more than processors. Each runs a
# PostgreSQL and sometimes a browser: more than four need too much memory for small machines.
WORKERS = min(4, (os.process_cpu_count() or 1) + 1)
MIN_PATHS_FOR_WORKERS = 10
# One file's tests stay in one worker, because they share fixtures. The slowest files start first.
IN_PARALLEL = (
    *("-n", str(WORKERS), "--dist", "loadfile", "--no-loadscope-reorder"),
    *("-p", "scripts.lib.longest_first"),
)

# Options of pytest whose value may look like the path of a test.
OPTIONS_WITH_VALUE = frozenset(
    {"-k", "-m", "-c", "-o", "-p", "-W", "--basetemp", "--confcutdir", "--deselect", "--ignore"}
)


@dataclass(frozen=True, kw_only=True, slots=True)
class PytestArguments:
    """The caller's pytest arguments, split into options and paths."""

    options: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()


def parse_arguments(arguments: Sequence[str], caller: Path) -> PytestArguments:
    """Split arguments into options and paths. Paths are resolved from `caller` and returned relative to the root."""
    options: list[str] = []
    paths: list[str] = []
    for previous, argument in zip(["", *arguments], arguments, strict=False):
        path = None if argument.startswith("-") or previous in OPTIONS_WITH_VALUE else _find_test_path(argument, caller)
        if path is None:
            options.append(argument)
        else:
            paths.append(path)
    return PytestArguments(options=tuple(options), paths=tuple(paths))


def select_runs(arguments: PytestArguments, *, require_all: bool = False) -> list[tuple[PytestRun, tuple[str, ...]]]:
    """Select the pytest runs for these arguments, each with its own arguments. Without paths, all runs are selected.

    A run with many files uses several workers, unless it has options.
    """
    if not arguments.paths or "tests" in arguments.paths:
        paths = {run: run.paths for run in RUNS}
        is_large = set(arguments.paths) <= {"tests"}
    else:
        component = tuple(path for path in arguments.paths if _is_within(path, "tests/component"))
        others = tuple(path for path in arguments.paths if path not in component)
        paths = {run: paths for run, paths in ((COMPONENT_RUN, component), (MAIN_RUN, others)) if paths}
        is_large = len(arguments.paths) >= MIN_PATHS_FOR_WORKERS
    workers = IN_PARALLEL if is_large and not arguments.options else ()
    return [
        (run, (*run.options, *(run.require_all_options if require_all else ()), *workers, *arguments.options, *paths))
        for run, paths in paths.items()
    ]


def _find_test_path(argument: str, caller: Path) -> str | None:
    """Return `argument` relative to the root if it is a path below tests/, existing or not; else None."""
    file, colons, test_name = argument.partition("::")
    for folder in (caller, ROOT):
        path = (folder / file).resolve()
        if path.is_relative_to(ROOT / "tests") and (path.exists() or folder == ROOT):
            return f"{path.relative_to(ROOT).as_posix()}{colons}{test_name}"
    return None


def _is_within(path: str, folder: str) -> bool:
    return Path(path.partition("::")[0]).is_relative_to(folder)
