"""Which pytest run takes which test. Home Assistant's plugin would rule every run, so its tests run alone."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from scripts.lib.child_processes import ROOT


@dataclass(frozen=True, kw_only=True, slots=True)
class PytestRun:
    """One invocation of pytest: its options, and what it runs when no path is named (else pyproject's testpaths).

    `whole`: options for when nothing is asked in particular.
    """

    name: str
    options: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    full_run_options: tuple[str, ...] = ()


COMPONENT_RUN = PytestRun(
    name="tests/component",
    options=("-c", "tests/component/pytest.ini", "--rootdir", "."),
    paths=("tests/component",),
)
# A PostgreSQL each, and now and then a browser: more than four want more memory than small machines have.
WORKERS = min(4, os.process_cpu_count() or 1)
MAIN_RUN = PytestRun(name="all other tests", full_run_options=("-n", str(WORKERS), "--dist", "loadfile"))

# Options of pytest whose value may look like a path to a test and is none.
OPTIONS_WITH_VALUE = frozenset(
    {"-k", "-m", "-c", "-o", "-p", "-W", "--basetemp", "--confcutdir", "--deselect", "--ignore"}
)


@dataclass(frozen=True, kw_only=True, slots=True)
class PytestArguments:
    """A caller's arguments for pytest, told apart."""

    options: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()


def parse_arguments(arguments: Sequence[str], caller: Path) -> PytestArguments:
    """Tells options from paths; paths, given from the caller's folder, come back relative to the tree."""
    options: list[str] = []
    paths: list[str] = []
    for before, argument in zip(["", *arguments], arguments, strict=False):
        path = None if argument.startswith("-") or before in OPTIONS_WITH_VALUE else _find_test_path(argument, caller)
        if path is None:
            options.append(argument)
        else:
            paths.append(path)
    return PytestArguments(options=tuple(options), paths=tuple(paths))


def select_runs(asked: PytestArguments) -> list[tuple[PytestRun, tuple[str, ...]]]:
    """The runs that these arguments need, each with its arguments; without paths that is every run."""
    if asked in {PytestArguments(), PytestArguments(paths=("tests",))}:
        return [(run, (*run.options, *run.full_run_options, *run.paths)) for run in (COMPONENT_RUN, MAIN_RUN)]
    if not asked.paths or "tests" in asked.paths:
        return [(run, (*run.options, *asked.options, *run.paths)) for run in (COMPONENT_RUN, MAIN_RUN)]
    component = tuple(path for path in asked.paths if _is_within(path, "tests/component"))
    rest = tuple(path for path in asked.paths if path not in component)
    return [
        (run, (*run.options, *asked.options, *paths))
        for run, paths in ((COMPONENT_RUN, component), (MAIN_RUN, rest))
        if paths
    ]


def _find_test_path(argument: str, caller: Path) -> str | None:
    """`argument` relative to the tree when it names something below tests/, there or not; else None."""
    file, colons, inside = argument.partition("::")
    for folder in (caller, ROOT):
        path = (folder / file).resolve()
        if path.is_relative_to(ROOT / "tests") and (path.exists() or folder == ROOT):
            return f"{path.relative_to(ROOT).as_posix()}{colons}{inside}"
    return None


def _is_within(path: str, folder: str) -> bool:
    return Path(path.partition("::")[0]).is_relative_to(folder)
