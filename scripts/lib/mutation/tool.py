"""Mutate the functions of pure modules with mutmut, and read what became of the mutants."""

import difflib
import json
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from scripts.lib.mutation.pytest_options import PytestGroup
from scripts.lib.mutation.tables import Mutant
from scripts.lib.mutation.workspace import LoggedCommand, build_environment, run_logged

# Log lines are for operators; no test has to notice a change of their text. mutmut mutates no docstrings.
UNMUTATED_LINES = r"\b(log|logger|LOGGER|_LOGGER)\.\w+\("
COPIED_FOLDERS = ("custom_components", "demo", "relay", "scripts", "tests", "web")
CLASS_SEPARATOR = "ǁ"  # as mutmut writes `Class.method`
# mutmut ends a mutant after (the tests' own seconds + the constant) times the multiplier. Machines may be loaded.
TIMEOUT_CONSTANT = 4.0
TIMEOUT_MULTIPLIER = 10.0

STATUSES = {
    0: "survived",
    1: "killed",
    3: "killed",  # internal error of pytest, for example in a hook
    5: "no tests",
    33: "no tests",
    None: "no tests",  # not even tried because no test calls the module
    -24: "timeout",
    24: "timeout",
    152: "timeout",
    -9: "timeout",  # SIGKILL follows the signal for too much CPU time
    255: "timeout",
}
# What mutmut says if the tests call none of the mutated functions, or if there is nothing to mutate or to run.
NOTHING_TO_DO = ("could not find any test case for any mutant", "nothing matches", "runner returned 5")


class ToolFailedError(Exception):
    """mutmut did not finish."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ToolRun:
    """One run of mutmut: modules (paths), the tests that judge them, and options of pytest besides the group's.

    `functions` restricts the run to some functions, as pairs of module and name.
    """

    modules: tuple[str, ...]
    tests: tuple[str, ...]
    group: PytestGroup
    options: tuple[str, ...] = ()
    functions: frozenset[tuple[str, str]] | None = None

    @property
    def title(self) -> str:
        """A short name for progress lines."""
        first, *others = self.modules
        return f"{first} and {len(others)} more" if others else first


def run_tool(
    run: ToolRun, base: Path, folder: Path, *, workers: int, on_progress: Callable[[str], None]
) -> list[Mutant]:
    """Run mutmut in `folder` on the tree in `base`. Raises ToolFailedError."""
    folder.mkdir()
    for name in COPIED_FOLDERS:
        (folder / name).symlink_to(base / name)
    settings = (base / "pyproject.toml").read_text(encoding="utf-8") + render_settings(run)
    (folder / "pyproject.toml").write_text(settings, encoding="utf-8")
    program = str(Path(sys.executable).parent / "mutmut")
    command = LoggedCommand(
        arguments=(program, "run", "--max-children", str(workers), *list_patterns(run)),
        folder=folder,
        log=folder / "mutmut.log",
        environment=build_environment(folder.parent, run.group.environment),
    )

    def report_progress() -> None:
        counts = re.findall(r"(\d+)/(\d+) ", command.read_log()[-400:])
        on_progress(f"{run.title}: {counts[-1][0]} of {counts[-1][1]} mutants" if counts else f"{run.title}: preparing")

    status = run_logged(command, on_wait=report_progress)
    output = command.read_log()
    if status != 0 and not any(text in output for text in NOTHING_TO_DO):
        tail = "\n".join(output.splitlines()[-40:])
        raise ToolFailedError(f"mutmut ended with status {status} for {', '.join(run.modules)}:\n{tail}")
    return [mutant for module in run.modules for mutant in read_mutants(folder, module, run.functions)]


def render_settings(run: ToolRun) -> str:
    """Render mutmut's section of pyproject.toml."""
    source_folder = run.modules[0].partition("/")[0]
    settings = {
        "source_paths": [source_folder],
        "only_mutate": list(run.modules),
        "also_copy": [name for name in COPIED_FOLDERS if name != source_folder],
        "do_not_mutate_patterns": [UNMUTATED_LINES],
        "pytest_add_cli_args_test_selection": list(run.tests),
        "pytest_add_cli_args": ["-p", "no:cacheprovider", *run.group.options, *run.options],
        "timeout_constant": TIMEOUT_CONSTANT,
        "timeout_multiplier": TIMEOUT_MULTIPLIER,
        "use_git_change_detection": False,
    }
    lines = [f"{key} = {json.dumps(value)}" for key, value in settings.items()]
    return "\n".join(["", "[tool.mutmut]", *lines, ""])


def list_patterns(run: ToolRun) -> list[str]:
    """List the patterns of the mutants' names that mutmut has to run.

    With patterns, mutmut first runs exactly the tests that it will select, by their ids, and fails if one isn't found.
    """
    if run.functions is None:
        return [f"{get_dotted_name(module)}.x*" for module in run.modules]
    return [f"{get_dotted_name(module)}.{mangle(function)}*" for module, function in sorted(run.functions)]


def get_dotted_name(module: str) -> str:
    """Return the dotted name of a module's path."""
    return module.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def mangle(function: str) -> str:
    """Return mutmut's name of `function` or `Class.method`."""
    class_name, _, name = function.rpartition(".")
    return f"x{CLASS_SEPARATOR}{class_name}{CLASS_SEPARATOR}{name}" if class_name else f"x_{name}"


def unmangle(name: str) -> str:
    """Return `function` or `Class.method` for mutmut's name of it."""
    if CLASS_SEPARATOR in name:
        return name.removeprefix(f"x{CLASS_SEPARATOR}").replace(CLASS_SEPARATOR, ".")
    return name.removeprefix("x_")


def read_mutants(folder: Path, module: str, functions: frozenset[tuple[str, str]] | None) -> Iterator[Mutant]:
    """Read the mutants of a module, with their fates, from the files that mutmut wrote."""
    meta = folder / "mutants" / f"{module}.meta"
    if not meta.exists():  # it has no function that mutmut would mutate
        return
    statuses: dict[str, int | None] = json.loads(meta.read_text(encoding="utf-8"))["exit_code_by_key"]
    if not statuses:
        return
    spans = json.loads((folder / "mutants" / f"{module}.spans").read_text(encoding="utf-8"))["spans"]
    lines = (folder / "mutants" / module).read_text(encoding="utf-8").splitlines()
    for key, status in statuses.items():
        name = key.rpartition(".")[2]
        mangled = name.partition("__mutmut_")[0]
        function = unmangle(mangled)
        if functions is None or (module, function) in functions:
            original = _read_function(lines, spans, f"{mangled}__mutmut_orig", function)
            mutated = _read_function(lines, spans, name, function)
            yield Mutant(
                module=module,
                function=function,
                name=key,
                status=STATUSES.get(status, f"status {status}"),
                diff=diff_lines(original, mutated),
            )


def _read_function(lines: Sequence[str], spans: dict[str, tuple[int, int]], name: str, function: str) -> list[str]:
    """Return the lines of a generated function, under the name of the original."""
    start, end = spans[name]
    return [line.replace(name, function.rpartition(".")[2]) for line in lines[start - 1 : end]]


def diff_lines(old: Sequence[str], new: Sequence[str]) -> tuple[str, ...]:
    """Return the lines of a diff that changed, and those around them, with `-`, `+` or a space in front."""
    diff = difflib.unified_diff(old, new, n=1, lineterm="")
    return tuple(line for line in diff if not line.startswith(("---", "+++", "@@")))
