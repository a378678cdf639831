"""The last resort for a PostgreSQL server that a killed relay left behind: stop it by its own pid file."""

import asyncio
import signal
from collections.abc import Iterator
from pathlib import Path

from demo.world import procfs
from demo.world.pid_file import send_signal, wait_for_exit
from demo.world.procfs import Process

PID_FILES = ("*/postmaster.pid", "*/*/postmaster.pid")  # the relay's own matter in which folder exactly
# PostgreSQL's own signals: fast and immediate shutdown; the last one is ours.
SHUTDOWN_STEPS = ((signal.SIGINT, 2.0), (signal.SIGQUIT, 1.0), (signal.SIGKILL, 1.0))


async def stop_orphaned_postgres(folder: Path) -> bool:
    """Stop the server whose data lies under `folder`; whether there was one. Takes 4 s at most."""
    found = await asyncio.to_thread(lambda: list(_find_servers(folder)))
    for signum, seconds in SHUTDOWN_STEPS:
        for server in found:
            send_signal(server, signum)
        if not await wait_for_exit(found, within=seconds):
            break
    return bool(found)


def _find_servers(folder: Path) -> Iterator[Process]:
    for pattern in PID_FILES:
        for note in folder.glob(pattern):
            process = procfs.find_process(_read_pid(note))
            # A recycled pid belongs to somebody who does not work in this data folder.
            if process is not None and procfs.find_working_directory(process.pid) == note.parent.resolve():
                yield process


def _read_pid(note: Path) -> int:
    """The number in the first line; 0, which no process has, when there is none."""
    try:
        return int(note.read_text("utf-8").partition("\n")[0])
    except OSError, ValueError:
        return 0
