"""Find the changed files with git, and the tests that they affect."""

from collections.abc import Sequence

from scripts.lib.affected_tests import Selection, select_tests
from scripts.lib.child_processes import ROOT
from scripts.lib.git import find_merge_base, list_differing_files, list_existing_files, list_untracked_files

DEFAULT_BASE = "main"


def list_changed_files(base: str) -> list[str]:
    """List the files that differ from the merge base with `base`: in commits, in the working tree, or untracked."""
    return sorted({*list_differing_files(find_merge_base(base)), *list_untracked_files()})


def read_sources() -> dict[str, str]:
    """Read all Python files that are committed or about to be."""
    return {name: (ROOT / name).read_text("utf-8") for name in list_existing_files("*.py")}


def select_affected_tests(base: str) -> Selection:
    """Select the tests that the changes since `base` can break, and print the changes and the selection."""
    changed = list_changed_files(base)
    selection = select_tests(changed, read_sources())
    print(*render_selection(base, changed, selection), sep="\n", flush=True)
    return selection


def render_selection(base: str, changed: Sequence[str], selection: Selection) -> list[str]:
    """Render what changed, and which tests are selected and left out."""
    changes = [f"changed since the merge base with {base}: {len(changed)} files", *(f"  {file}" for file in changed)]
    if selection.reason_for_all:
        return [*changes, f"running everything: {selection.reason_for_all}"]
    left_out = selection.total - len(selection.files)
    counts = f"selected test files: {len(selection.files)} of {selection.total} ({left_out} left out)"
    return [*changes, counts, *(f"  {file}" for file in selection.files)]
