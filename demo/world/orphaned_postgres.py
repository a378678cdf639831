"""Stop a PostgreSQL server that a killed relay left behind, found by its own pid file."""

import asyncio
import signal
from collections.abc import Iterator, Sequence
from pathlib import Path
from signal import Signals

from demo.world import procfs
from demo.world.pid_file import send_signal, wait_for_exit
from demo.world.procfs import Process

PID_FILES = ("*/postmaster.pid", "*/*/postmaster.pid")  # the relay chooses the exact folder
# PostgreSQL's fast and immediate shutdown, then SIGKILL.
SHUTDOWN_STEPS = ((signal.SIGINT, 2.0), (signal.SIGQUIT, 1.0), (signal.SIGKILL, 1.0))


async def stop_orphaned_postgres(folder: Path, *, steps: Sequence[tuple[Signals, float]] = SHUTDOWN_STEPS) -> bool:
    """Stop the server whose data is below `folder`. Returns whether there was one. Takes at most 4 s.

    `steps` are the signals to send, each with the seconds to wait for the server's exit.
    """
    servers = await asyncio.to_thread(lambda: list(_find_servers(folder)))
    for signum, seconds in steps:
        for server in servers:
            send_signal(server, signum)
        if not await wait_for_exit(servers, within=seconds):
            break
    return bool(servers)


def _find_servers(folder: Path) -> Iterator[Process]:
    for pattern in PID_FILES:
        for pid_file in folder.glob(pattern):
            process = procfs.find_process(_read_pid(pid_file))
            # A process that reuses the pid has another working directory.
            if process is not None and procfs.find_working_directory(process.pid) == pid_file.parent.resolve():
                yield process


def _read_pid(pid_file: Path) -> int:
    """Return the pid in the first line; 0, which no process has, if there is none."""
    try:
        return int(pid_file.read_text("utf-8").partition("\n")[0])
    except OSError, ValueError:
        return 0
