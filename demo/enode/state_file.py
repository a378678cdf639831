"""The state file: the world as JSON, written whole and moved into place, so that a crash leaves the old one."""

import os
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from demo.enode.world import World

ADAPTER = TypeAdapter(World)


class StateFileError(Exception):
    """A state file that cannot be used; says what to do."""


def load_world(path: Path) -> World | None:
    """The world in a state file; None when there is no file. Raises StateFileError for what is no such file."""
    try:
        return ADAPTER.validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except ValidationError:
        raise StateFileError(f"{path} is no state file of this simulator: remove it to start afresh") from None
    except OSError as error:
        raise StateFileError(f"{path} cannot be read: {error.strerror}") from None


class StateFile:
    """Saves a world, but writes only when it differs from what was written last."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._written = b""

    def save(self, world: World) -> None:
        """Write the world if it changed. Raises OSError."""
        state = ADAPTER.dump_json(world)
        if state == self._written:
            return
        beside = self._path.with_name(self._path.name + ".new")
        # It holds webhook secrets: nobody else's to read.
        with open(beside, "wb", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
            file.write(state)
        beside.replace(self._path)
        self._written = state
