"""Which processes run for a state folder, on disk: what a killed demo left behind is found by the next one."""

import asyncio
import json
import os
import signal
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from demo.world import procfs
from demo.world.procfs import Process

GRACE_SECONDS = 6.0
POLL_SECONDS = 0.05


class PidFile:
    """The list of running processes in one file."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._rows: dict[int, int] = {}

    def add(self, pid: int) -> None:
        """Note a process that was just started."""
        process = procfs.find_process(pid)
        if process is not None:
            self._rows[pid] = process.started
            self._write()

    def remove(self, pid: int) -> None:
        """Strike a process off that has ended."""
        if self._rows.pop(pid, None) is not None:
            self._write()

    def find_leftovers(self) -> list[Process]:
        """Processes of an earlier run that still live, with all of their sessions. A recycled pid is not taken."""
        try:
            noted = {int(pid): started for pid, started in json.loads(self._file.read_text("utf-8")).items()}
        except OSError, ValueError, AttributeError:
            return []
        leaders = {pid for pid, started in noted.items() if _is_same_process(pid, started)}
        return [process for process in procfs.list_processes() if process.session in leaders]

    def _write(self) -> None:
        part = self._file.with_suffix(".part")
        part.write_text(json.dumps(self._rows), "utf-8")
        part.replace(self._file)


def _is_same_process(pid: int, started: int) -> bool:
    process = procfs.find_process(pid)
    return process is not None and process.started == started


async def terminate_processes(processes: Iterable[Process], *, grace: float = GRACE_SECONDS) -> None:
    """Ask processes that are no children of ours to stop, and kill those that do not within `grace` seconds."""
    left = list(processes)
    for signum, seconds in ((signal.SIGTERM, grace), (signal.SIGKILL, 1.0)):
        for process in left:
            send_signal(process, signum)
        left = await wait_for_exit(left, within=seconds)


def send_signal(process: Process, signum: signal.Signals) -> None:
    """Send a signal to exactly this process, not to one that took its pid."""
    if _is_same_process(process.pid, process.started):
        with suppress(ProcessLookupError, PermissionError):
            os.kill(process.pid, signum)


async def wait_for_exit(processes: Iterable[Process], *, within: float) -> list[Process]:
    """Wait until all of these are gone; those that are not `within` seconds."""
    deadline = asyncio.get_running_loop().time() + within
    left = list(processes)
    while left and asyncio.get_running_loop().time() < deadline:
        await asyncio.sleep(POLL_SECONDS)
        left = [process for process in left if _is_same_process(process.pid, process.started)]
    return left
