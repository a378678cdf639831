"""The files of this project, as git would commit them."""

import subprocess
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


@cache
def list_tracked_files(*patterns: str) -> tuple[Path, ...]:
    """Files that are committed or about to be (not ignored), relative to the root; all, or those that match."""
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *patterns],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return tuple(
        path
        for name in sorted(set(listing.stdout.split("\0")))
        if name and (path := Path(name)) and (ROOT / path).is_file()
    )


def read_text(path: Path) -> str | None:
    """A tracked file's text; None for pictures and the like."""
    try:
        return (ROOT / path).read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return None
