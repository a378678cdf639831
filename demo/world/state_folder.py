"""The state folder with all of the demo's data. A marker file identifies it, so that only such folders are wiped."""

import fcntl
import json
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from demo.world.errors import UserFixableError

MARKER = "evconduit-demo.json"
LOCK = "lock"
LAYOUT = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedState:
    """State that later starts need; the content of the marker file. Its field names are the file's format."""

    layout: int = LAYOUT
    ports: dict[str, int] = field(default_factory=dict)
    client_id: str = field(default_factory=lambda: f"demo-{secrets.token_hex(4)}")
    client_secret: str = field(default_factory=lambda: secrets.token_hex(24), repr=False)
    webhook_secret: str = field(default_factory=lambda: secrets.token_hex(24), repr=False)
    user_id: str | None = None
    key: str | None = field(default=None, repr=False)
    linked: tuple[str, ...] = ()
    """Vendors whose accounts are linked."""
    home: tuple[float, float] | None = None
    """Latitude and longitude of the home zone: where the first car stood when it was linked."""
    entry_url: str | None = None
    """The relay's address in the config entry."""


class StateFolder:
    """An open state folder, locked against other demos."""

    def __init__(self, path: Path, saved: SavedState) -> None:
        self.path = path
        self.saved = saved
        self.logs = path / "logs"
        self.home_assistant = path / "home-assistant"
        self.relay = path / "relay"
        self.simulator = path / "simulator.json"
        self.processes = path / "processes.json"

    def update(self, **changes: Any) -> None:
        """Change the saved state and write it."""
        self.saved = replace(self.saved, **changes)
        temporary = self.path / f"{MARKER}.part"
        with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
            json.dump(asdict(self.saved), file, indent=2)
        temporary.replace(self.path / MARKER)

    def prepare(self, *, fresh: bool) -> bool:
        """Prepare for a start, after wiping if `fresh`. Returns whether there is state of an earlier run."""
        if fresh:
            _empty_folder(self.path, keep=LOCK)
            self.saved = SavedState()
        existed = (self.path / MARKER).exists()
        self.logs.mkdir(exist_ok=True)
        self.update()
        return existed


def remove_state_folder(path: Path, *, keep: str) -> None:
    """Remove a state folder except for one file in it."""
    _empty_folder(path, keep=keep)
    with suppress(OSError):  # the kept file exists
        path.rmdir()


def _empty_folder(path: Path, *, keep: str) -> None:
    for entry in path.iterdir():
        if entry.name != keep:
            shutil.rmtree(entry) if entry.is_dir() and not entry.is_symlink() else entry.unlink()


@contextmanager
def open_state_folder(path: Path, *, fresh: bool = False) -> Iterator[StateFolder]:
    """Open or create a state folder. Raises UserFixableError if it isn't one or another demo uses it.

    With `fresh` its marker file need not be readable, but it must exist.
    """
    try:
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
        other_entries = {entry.name for entry in path.iterdir()} - {LOCK}
        has_marker = (path / MARKER).is_file()
    except OSError as error:
        raise UserFixableError(f"cannot use {path}: {error.strerror}; choose another --state") from None
    if other_entries and not has_marker:
        raise UserFixableError(f"{path} is not a state folder of the demo (it has no {MARKER}): choose another --state")
    with (path / LOCK).open("a+", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UserFixableError(f"another demo is using {path}: stop it or choose another --state") from None
        yield StateFolder(path.resolve(), _read_marker(path / MARKER) if has_marker and not fresh else SavedState())


def find_running_state(path: Path) -> StateFolder | None:
    """Return the state of the demo that uses this folder now; None if there is none. Raises UserFixableError."""
    try:
        with (path / LOCK).open("r+", encoding="utf-8") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return StateFolder(path.resolve(), _read_marker(path / MARKER))
    except OSError:
        pass
    return None


def _read_marker(marker: Path) -> SavedState:
    try:
        content: dict[str, Any] = json.loads(marker.read_text("utf-8"))
        layout = content["layout"]
        fields: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in content.items()
        }
        if layout == LAYOUT:
            return SavedState(**fields)
    except OSError, ValueError, KeyError, TypeError, AttributeError:
        raise UserFixableError(f"{marker} cannot be read: start with --fresh to wipe {marker.parent}") from None
    raise UserFixableError(f"{marker.parent} was created by another version of the demo: start with --fresh to wipe it")
