"""Find processes through /proc. Without /proc, none are found."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
ENDED_STATES = {"Z", "X", "x"}  # zombies count as ended: process 1 of a container may reap late


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """A running process."""

    pid: int
    parent: int
    session: int
    started: int
    """Start time in clock ticks since boot. With the pid, it identifies a process even if pids are reused."""


def find_process(pid: int) -> Process | None:
    """Find a running process by its pid."""
    try:
        stat = (PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    # The name in parentheses may itself contain spaces and parentheses; the fields after it start with `state`.
    fields = stat.rpartition(")")[2].split()
    if fields[0] in ENDED_STATES:
        return None
    return Process(pid=pid, parent=int(fields[1]), session=int(fields[3]), started=int(fields[19]))


def list_processes() -> Iterator[Process]:
    """List all visible running processes."""
    for folder in PROC.glob("[0-9]*"):
        process = find_process(int(folder.name))
        if process is not None:
            yield process


def find_working_directory(pid: int) -> Path | None:
    """Return the working directory of a process; None if it has ended or access is denied."""
    try:
        return (PROC / str(pid) / "cwd").readlink()
    except OSError:
        return None
