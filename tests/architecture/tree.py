"""The files of this project, as git would commit them."""

from functools import cache
from pathlib import Path

from scripts.lib.git import list_existing_files

ROOT = Path(__file__).resolve().parents[2]


@cache
def list_files(*patterns: str) -> tuple[Path, ...]:
    """Files that are committed or about to be (not ignored), relative to the root; all, or those that match."""
    return tuple(Path(name) for name in sorted(set(list_existing_files(*patterns))))


def read_text(path: Path) -> str | None:
    """A tracked file's text; None for a binary file."""
    try:
        return (ROOT / path).read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return None
