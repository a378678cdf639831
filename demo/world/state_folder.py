"""The state folder: all that the demo keeps. A marker file in it says that it is ours, so that we may wipe it."""

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
    """What later starts need to know; it is the content of the marker file."""

    layout: int = LAYOUT
    ports: dict[str, int] = field(default_factory=dict)
    client_id: str = field(default_factory=lambda: f"demo-{secrets.token_hex(4)}")
    client_secret: str = field(default_factory=lambda: secrets.token_hex(24), repr=False)
    webhook_secret: str = field(default_factory=lambda: secrets.token_hex(24), repr=False)
    user_id: str | None = None
    key: str | None = field(default=None, repr=False)
    linked: tuple[str, ...] = ()
    """Vendors whose accounts were linked."""
    home: tuple[float, float] | None = None
    """Latitude and longitude of the home zone: where the first car stood when it was linked."""
    entry_url: str | None = None
    """The relay's address that the config entry was made with."""


class StateFolder:
    """An opened state folder, locked against a second demo."""

    def __init__(self, path: Path, memory: SavedState) -> None:
        self.path = path
        self.saved = memory
        self.logs = path / "logs"
        self.home_assistant = path / "home-assistant"
        self.relay = path / "relay"
        self.simulator = path / "simulator.json"
        self.processes = path / "processes.json"

    def update(self, **changes: Any) -> None:
        """Change the memory, on disk too."""
        self.saved = replace(self.saved, **changes)
        part = self.path / f"{MARKER}.part"
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
            json.dump(asdict(self.saved), file, indent=2)
        part.replace(self.path / MARKER)

    def prepare(self, *, fresh: bool) -> bool:
        """Make ready for a start, wiped first when `fresh`; whether there is something to go on with."""
        if fresh:
            _empty_folder(self.path, keep=LOCK)
            self.saved = SavedState()
        known = (self.path / MARKER).exists()
        self.logs.mkdir(exist_ok=True)
        self.update()
        return known


def remove_state_folder(path: Path, *, keep: str) -> None:
    """Remove a state folder that nobody needs any more, but for one file in it."""
    _empty_folder(path, keep=keep)
    with suppress(OSError):  # the file was there
        path.rmdir()


def _empty_folder(path: Path, *, keep: str) -> None:
    for entry in path.iterdir():
        if entry.name != keep:
            shutil.rmtree(entry) if entry.is_dir() and not entry.is_symlink() else entry.unlink()


@contextmanager
def open_state_folder(path: Path, *, fresh: bool = False) -> Iterator[StateFolder]:
    """Open a state folder, made if need be. Raises WorldError when it is not ours or another demo uses it.

    One that is to be wiped (`fresh`) need not be readable, but ours it must be.
    """
    try:
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
        strangers = {entry.name for entry in path.iterdir()} - {LOCK}
        marked = (path / MARKER).is_file()
    except OSError as error:
        raise UserFixableError(f"cannot use {path}: {error.strerror}; give another --state") from None
    if strangers and not marked:
        raise UserFixableError(f"{path} holds other things than a demo (no {MARKER} in it): give another --state")
    with (path / LOCK).open("a+", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UserFixableError(f"a demo already runs on {path}: stop it or give another --state") from None
        yield StateFolder(path.resolve(), _read_marker(path / MARKER) if marked and not fresh else SavedState())


def _read_marker(marker: Path) -> SavedState:
    try:
        found: dict[str, Any] = json.loads(marker.read_text("utf-8"))
        layout = found["layout"]
        fields: dict[str, Any] = {name: tuple(it) if isinstance(it, list) else it for name, it in found.items()}
        if layout == LAYOUT:
            return SavedState(**fields)
    except OSError, ValueError, KeyError, TypeError, AttributeError:
        raise UserFixableError(f"{marker} cannot be read: start with --fresh to wipe {marker.parent}") from None
    raise UserFixableError(f"{marker.parent} is of another version of the demo: start with --fresh to wipe it")
