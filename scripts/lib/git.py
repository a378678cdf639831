"""Ask git which files of the repository exist and which have changed. Paths are relative to the root."""

import subprocess

from scripts.lib.child_processes import ROOT


class GitError(Exception):
    """Git could not answer."""


def find_merge_base(reference: str) -> str:
    """Find the commit where HEAD left `reference`. Raises GitError, for example if there is no such branch."""
    return run_git("merge-base", reference, "HEAD").strip()


def list_differing_files(commit: str) -> list[str]:
    """List the tracked files that differ from a commit, in later commits or in the working tree; deleted ones, too."""
    return _split(run_git("diff", "--name-only", "--no-renames", "-z", commit))


def list_untracked_files() -> list[str]:
    """List the new files that git would commit."""
    return _split(run_git("ls-files", "--others", "--exclude-standard", "-z"))


def list_existing_files(*patterns: str) -> list[str]:
    """List the files that git has or would commit and that exist in the working tree."""
    names = _split(run_git("ls-files", "--cached", "--others", "--exclude-standard", "-z", "--", *patterns))
    return [name for name in names if (ROOT / name).is_file()]  # a deleted file may still be in git's index


def run_git(*arguments: str) -> str:
    """Return git's output. Raises GitError."""
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603, S607 - git from PATH, constant commands
    if done.returncode != 0:
        raise GitError(done.stderr.strip() or f"git {arguments[0]} failed")
    return done.stdout


def _split(names: str) -> list[str]:
    return [name for name in names.split("\0") if name]
