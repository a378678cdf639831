"""Select what scripts/mutate runs: by module, folder or function, or what changed."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace

from scripts.lib.child_processes import ROOT
from scripts.lib.mutation.pairs import PairMutant
from scripts.lib.mutation.pytest_options import COMPONENT, RELAY, WITHOUT_DATABASE
from scripts.lib.mutation.tables import ModuleRow
from scripts.lib.mutation.tool import ToolRun


@dataclass(frozen=True, kw_only=True, slots=True)
class Selection:
    """The runs of mutmut and the pairs to judge, and lines that say what was left out."""

    runs: tuple[ToolRun, ...]
    pairs: tuple[PairMutant, ...]
    left_out: tuple[str, ...] = ()


def plan_runs(rows: Iterable[ModuleRow]) -> list[ToolRun]:
    """Plan one run of mutmut for each row of the table. Raises ValueError for a pattern that matches no file."""
    runs = []
    for row in rows:
        group = COMPONENT if row.modules[0].startswith("custom_components/") else RELAY
        is_without_database = group is RELAY and not row.with_database
        modules = expand_globs(row.modules)
        runs.append(
            ToolRun(
                modules=modules,
                tests=expand_globs(row.tests),
                group=group,
                options=WITHOUT_DATABASE if is_without_database else (),
                functions=frozenset((module, name) for module in modules for name in row.functions) or None,
            )
        )
    return runs


def expand_globs(patterns: Iterable[str]) -> tuple[str, ...]:
    """Return the paths that match these patterns. Raises ValueError if one matches none."""
    paths = []
    for pattern in patterns:
        found = [path.relative_to(ROOT).as_posix() for path in sorted(ROOT.glob(pattern))]
        if not found:
            raise ValueError(f"no file matches {pattern}")
        paths += found
    return tuple(paths)


def select_named(runs: Iterable[ToolRun], pairs: Iterable[PairMutant], selectors: Sequence[str]) -> Selection:
    """Select what the caller's arguments name: modules, folders, and functions as `path::function`.

    Pairs belong to a file, not to a function, so `path::function` selects no pairs.
    """
    whole = [selector for selector in selectors if "::" not in selector]
    functions = [(path, name) for path, colons, name in (item.partition("::") for item in selectors) if colons]
    selected = []
    for run in runs:
        modules = [module for module in run.modules if any(is_within(module, path) for path in whole)]
        in_run = find_in_run(run, functions)
        if modules:
            selected.append(replace(run, modules=tuple(modules)))
        if in_run:
            selected.append(restrict_run(run, in_run))
    return Selection(
        runs=tuple(selected), pairs=tuple(pair for pair in pairs if any(is_within(pair.file, path) for path in whole))
    )


def select_changed(
    runs: Iterable[ToolRun],
    pairs: Sequence[PairMutant],
    changed_files: Collection[str],
    changed_functions: Collection[tuple[str, str]],
) -> Selection:
    """Select the changed functions of the table's modules, and the pairs of changed files."""
    selected: list[ToolRun] = []
    mutable: set[str] = set()
    for run in runs:
        mutable |= set(run.modules)
        in_run = find_in_run(run, changed_functions)
        if in_run:
            selected.append(restrict_run(run, in_run))
    selected_pairs = tuple(pair for pair in pairs if pair.file in changed_files)
    mutable |= {pair.file for pair in pairs}
    unlisted = sorted(set(changed_files) - mutable)
    left_out = [f"changed, but in no table of tests/mutation: {', '.join(unlisted)}"] if unlisted else []
    left_out.append(
        "unchanged functions and unchanged files; a change of tests alone selects nothing "
        "(scripts/mutate MODULE runs all of a module)"
    )
    return Selection(runs=tuple(selected), pairs=selected_pairs, left_out=tuple(left_out))


def find_in_run(run: ToolRun, functions: Iterable[tuple[str, str]]) -> frozenset[tuple[str, str]]:
    """Return those of these functions that a run mutates."""
    return frozenset(
        item for item in functions if item[0] in run.modules and (run.functions is None or item in run.functions)
    )


def restrict_run(run: ToolRun, functions: frozenset[tuple[str, str]]) -> ToolRun:
    """Restrict a run to some functions."""
    return replace(run, modules=tuple(sorted({module for module, _ in functions})), functions=functions)


def is_within(path: str, selector: str) -> bool:
    """Whether a selector is this path or one of its folders."""
    folder = selector.rstrip("/")
    return path == folder or path.startswith(f"{folder}/")
