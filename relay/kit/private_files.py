"""Files and folders that other users of this machine can't read: secrets, and the folder that holds the data."""

import os
import secrets
import stat
from contextlib import suppress
from pathlib import Path

from relay.kit.errors import OperatorError

# Without these, other users and services of the machine stop working (Filesystem Hierarchy Standard 3.0, chapter 3).
SYSTEM_FOLDERS = frozenset(
    map(Path, ("/", "/etc", "/home", "/media", "/mnt", "/opt", "/run", "/srv", "/tmp", "/usr", "/var", "/var/lib"))  # noqa: S108 - compared only
)
OTHER_USERS_BITS = 0o077


def prepare_private_folder(folder: Path) -> None:
    """Create the folder with its parents if needed, and take away other users' access to it.

    A folder of another user keeps its access rights, because only its owner can change them. Raises OSError, and
    OperatorError for a folder that other programs need.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    mode = folder.stat().st_mode
    if folder.resolve() in SYSTEM_FOLDERS or mode & stat.S_ISVTX:
        raise OperatorError(f"{folder} is shared with other programs: set EVCONDUIT_DATA to a folder of its own")
    if mode & OTHER_USERS_BITS:
        with suppress(PermissionError):
            folder.chmod(0o700)


def is_private(path: Path) -> bool:
    """Whether no other user of this machine has access. Raises OSError."""
    return not path.stat().st_mode & OTHER_USERS_BITS


def create_private_file(file: Path, text: str) -> None:
    """Create the file unless it exists, completely or not at all: no reader, and no start after a crash, finds less."""
    temporary = _write_temporary(file, text)
    try:
        # Unlike a rename, a hard link never replaces a file that another process has created meanwhile.
        with suppress(FileExistsError):
            file.hardlink_to(temporary)
    finally:
        temporary.unlink(missing_ok=True)


def replace_private_file(file: Path, text: str) -> None:
    """Write the file, completely or not at all, over an existing one. It gets the owner of its folder."""
    temporary = _write_temporary(file, text)
    if os.geteuid() == 0:
        owner = file.parent.stat()
        os.chown(temporary, owner.st_uid, owner.st_gid)
    temporary.replace(file)


def _write_temporary(file: Path, text: str) -> Path:
    temporary = file.with_name(f"{file.name}.{secrets.token_hex(8)}")
    with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as opened:
        opened.write(text)
        opened.flush()
        os.fsync(opened.fileno())
    return temporary
