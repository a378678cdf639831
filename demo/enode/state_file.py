"""The state file: the world as JSON. Writes replace the file atomically, so a crash leaves the previous version."""

import os
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from demo.enode.world import World

ADAPTER = TypeAdapter(World)


class StateFileError(Exception):
    """A state file can't be used; the message says what to do."""


def load_world(path: Path) -> World | None:
    """Load the world from a state file; None if there is no file. Raises StateFileError if it can't be used."""
    try:
        return ADAPTER.validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except ValidationError:
        raise StateFileError(f"{path} is not a state file of this simulator: remove it to start over") from None
    except OSError as error:
        raise StateFileError(f"{path} cannot be read: {error.strerror}") from None


class StateFile:
    """Saves a world, and writes only what differs from the last save."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._written = b""

    def save(self, world: World) -> None:
        """Write the world if it has changed. Raises OSError."""
        state = ADAPTER.dump_json(world)
        if state == self._written:
            return
        temporary = self._path.with_name(self._path.name + ".new")
        # 0600: the file contains webhook secrets.
        with open(temporary, "wb", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
            file.write(state)
        temporary.replace(self._path)
        self._written = state
