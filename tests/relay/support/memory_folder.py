"""Temporary folders in memory for PostgreSQL servers. Copying a database there takes a fraction of the CPU time."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

MEMORY = Path("/dev/shm")  # noqa: S108 - mkdtemp() creates the folders in it
PREFIX = "evconduit-tests-"
MIN_FREE_BYTES = 1024**3
"""For the servers of several workers. In a container, the whole of /dev/shm often has 64 MiB."""


def has_memory(min_free_bytes: int = MIN_FREE_BYTES) -> bool:
    """Whether this machine has so much memory for temporary folders."""
    return os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free >= min_free_bytes


@contextmanager
def open_memory_folder(fallback: Path) -> Iterator[Path]:
    """Yield an empty folder in memory, which is removed at the end; without enough memory, `fallback`."""
    if not has_memory():
        yield fallback
        return
    _remove_folders_of_dead_processes()
    folder = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-", dir=MEMORY))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _remove_folders_of_dead_processes() -> None:
    """Free the memory of test runs that were killed."""
    for folder in MEMORY.glob(f"{PREFIX}*"):
        pid = folder.name.removeprefix(PREFIX).partition("-")[0]
        if not Path("/proc", pid).exists():
            shutil.rmtree(folder, ignore_errors=True)
