"""A file with the running processes of a state folder, to find those that a killed demo left behind."""

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
    """The file: process ids with their start times."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._rows: dict[int, int] = {}

    def add(self, pid: int) -> None:
        """Add a process that was just started."""
        process = procfs.find_process(pid)
        if process is not None:
            self._rows[pid] = process.started
            self._write()

    def remove(self, pid: int) -> None:
        """Remove a process that has ended."""
        if self._rows.pop(pid, None) is not None:
            self._write()

    def find_leftovers(self) -> list[Process]:
        """Find processes of an earlier run, with everything in their sessions. Reused pids are ignored."""
        try:
            recorded = {int(pid): started for pid, started in json.loads(self._file.read_text("utf-8")).items()}
        except OSError, ValueError, AttributeError:
            return []
        leaders = {pid for pid, started in recorded.items() if _is_same_process(pid, started)}
        return [process for process in procfs.list_processes() if process.session in leaders]

    def _write(self) -> None:
        temporary = self._file.with_suffix(".part")
        temporary.write_text(json.dumps(self._rows), "utf-8")
        temporary.replace(self._file)


def _is_same_process(pid: int, started: int) -> bool:
    process = procfs.find_process(pid)
    return process is not None and process.started == started


async def terminate_processes(processes: Iterable[Process], *, grace: float = GRACE_SECONDS) -> None:
    """Terminate processes that are not our children, and kill those that still run after `grace` seconds."""
    remaining = list(processes)
    for signum, seconds in ((signal.SIGTERM, grace), (signal.SIGKILL, 1.0)):
        for process in remaining:
            send_signal(process, signum)
        remaining = await wait_for_exit(remaining, within=seconds)


def send_signal(process: Process, signum: signal.Signals) -> None:
    """Send a signal to this process, but not to another one that reuses its pid."""
    if _is_same_process(process.pid, process.started):
        with suppress(ProcessLookupError, PermissionError):
            os.kill(process.pid, signum)


async def wait_for_exit(processes: Iterable[Process], *, within: float) -> list[Process]:
    """Wait until these processes have ended. Returns those still running after `within` seconds."""
    deadline = asyncio.get_running_loop().time() + within
    remaining = list(processes)
    while remaining and asyncio.get_running_loop().time() < deadline:
        await asyncio.sleep(POLL_SECONDS)
        remaining = [process for process in remaining if _is_same_process(process.pid, process.started)]
    return remaining
