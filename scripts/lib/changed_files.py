"""Find the changed files with git, and the tests that they affect."""

import subprocess
from collections.abc import Sequence

from scripts.lib.affected_tests import Selection, select_tests
from scripts.lib.child_processes import ROOT

DEFAULT_BASE = "main"


class GitError(Exception):
    """Git could not answer."""


def list_changed_files(base: str) -> list[str]:
    """List the files that differ from the merge base with `base`: in commits, in the working tree, or untracked."""
    merge_base = _run_git("merge-base", base, "HEAD").strip()
    names = _run_git("diff", "--name-only", "--no-renames", "-z", merge_base)
    names += _run_git("ls-files", "--others", "--exclude-standard", "-z")
    return sorted(set(names.split("\0")) - {""})


def read_sources() -> dict[str, str]:
    """Read all Python files that are committed or about to be."""
    names = _run_git("ls-files", "--cached", "--others", "--exclude-standard", "-z", "--", "*.py")
    paths = [ROOT / name for name in names.split("\0") if name]
    return {path.relative_to(ROOT).as_posix(): path.read_text("utf-8") for path in paths if path.is_file()}


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


def _run_git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603, S607 - git from PATH, constant commands
    if done.returncode != 0:
        raise GitError(done.stderr.strip() or f"git {arguments[0]} failed")
    return done.stdout
