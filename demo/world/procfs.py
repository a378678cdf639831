"""What Linux tells about processes. Where there is no /proc nothing is found, and nothing is done."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
ENDED_STATES = {"Z", "X", "x"}  # process 1 of a container may reap late: a zombie has stopped all the same


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """A living process."""

    pid: int
    parent: int
    session: int
    started: int
    """Clock ticks since boot: with the pid it names a process even after pids came round."""


def find_process(pid: int) -> Process | None:
    """The process of this id, if it lives."""
    try:
        stat = (PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    # The name in parentheses may hold blanks and parentheses itself; the rest is numbered from `state` on.
    fields = stat.rpartition(")")[2].split()
    if fields[0] in ENDED_STATES:
        return None
    return Process(pid=pid, parent=int(fields[1]), session=int(fields[3]), started=int(fields[19]))


def list_processes() -> Iterator[Process]:
    """All living processes that can be seen."""
    for folder in PROC.glob("[0-9]*"):
        process = find_process(int(folder.name))
        if process is not None:
            yield process


def find_working_directory(pid: int) -> Path | None:
    """The current folder of a process; None when it is gone or not ours to see."""
    try:
        return (PROC / str(pid) / "cwd").readlink()
    except OSError:
        return None
