"""Find what changed since the branch left main: for `scripts/mutate --changed`."""

import ast
import re
from collections.abc import Mapping
from collections.abc import Set as AbstractSet

from scripts.lib.child_processes import ROOT
from scripts.lib.git import GitError, find_merge_base, list_differing_files, list_untracked_files, run_git

_HUNK = re.compile(r"^@@ -\S+ \+(\d+)(?:,(\d+))? @@", re.MULTILINE)


def list_changed_lines() -> dict[str, AbstractSet[int]]:
    """List the changed Python files below relay and custom_components, each with the numbers of its changed lines.

    Compares the working tree, with new files, to the commit where the branch left main.
    """
    try:
        base = find_merge_base("main")
    except GitError:  # there is no branch main
        base = "HEAD"
    changed: dict[str, AbstractSet[int]] = {}
    for name in filter(_is_mutable, list_differing_files(base)):
        changed[name] = parse_hunks(run_git("diff", "--unified=0", "--no-color", base, "--", name))
    for name in filter(_is_mutable, list_untracked_files()):
        changed[name] = set(range(1, (ROOT / name).read_text(encoding="utf-8").count("\n") + 2))
    return changed


def _is_mutable(name: str) -> bool:
    return name.startswith(("relay/", "custom_components/")) and name.endswith(".py") and (ROOT / name).is_file()


def parse_hunks(diff: str) -> set[int]:
    """Return the numbers of the new lines in a diff without context. Deleted lines count as the lines around them."""
    lines: set[int] = set()
    for start, count in _HUNK.findall(diff):
        first, length = int(start), 1 if count == "" else int(count)
        lines |= set(range(first, first + length)) if length else {first, first + 1}
    return lines


def find_functions(source: str, lines: AbstractSet[int]) -> set[str]:
    """Find the functions, as `name` or `Class.name`, that contain one of these lines."""
    return {
        name
        for name, (first, last) in _list_functions(ast.parse(source)).items()
        if any(first <= line <= last for line in lines)
    }


def find_changed_functions(changed: Mapping[str, AbstractSet[int]]) -> frozenset[tuple[str, str]]:
    """Return the changed functions, as pairs of file and name."""
    return frozenset(
        (name, function)
        for name, lines in changed.items()
        for function in find_functions((ROOT / name).read_text(encoding="utf-8"), lines)
    )


def _list_functions(tree: ast.Module) -> dict[str, tuple[int, int]]:
    functions: dict[str, tuple[int, int]] = {}
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            functions |= {
                f"{node.name}.{child.name}": _get_span(child)
                for child in node.body
                if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef)
            }
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            functions[node.name] = _get_span(node)
    return functions


def _get_span(node: ast.FunctionDef | ast.AsyncFunctionDef) -> tuple[int, int]:
    first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
    return first, node.end_lineno or node.lineno
