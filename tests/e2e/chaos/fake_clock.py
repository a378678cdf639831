"""Set the clock of the relay's processes and of their PostgreSQL, and of nothing else, with Debian's libfaketime.

What jumps is the wall clock of those processes: `now()` in PostgreSQL, and the time in the relay and its log. Uptime
and the monotonic clock go on, as they do when a time server sets a clock. Redis and the simulated Enode keep the true
time.
"""

import shutil
import subprocess
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

FAKETIME = shutil.which("faketime")
SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - libfaketime's choice
FAKETIME_MISSING = "faketime is not installed; install Debian's package faketime"


class FakeClock:
    """A clock that is right at first. Programs with the `environment` follow it."""

    def __init__(self, folder: Path) -> None:
        assert FAKETIME is not None
        remove_leftovers()
        self._file = folder / "clock"
        library = subprocess.run(
            [FAKETIME, "-m", "-f", "+0", "printenv", "LD_PRELOAD"], capture_output=True, text=True, check=True
        ).stdout.strip()
        self.environment = {
            "LD_PRELOAD": library,
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_NO_CACHE": "1",  # all processes jump at once
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "NO_FAKE_STAT": "1",
        }
        self.set(timedelta())

    def set(self, error: timedelta) -> None:
        """Set the clock so that it is wrong by `error`; positive: ahead."""
        new = self._file.with_suffix(".new")
        new.write_text(f"{int(error.total_seconds()):+d}\n", encoding="ascii")
        new.replace(self._file)

    def close(self) -> None:
        """Remove what killed programs left in shared memory."""
        remove_leftovers()


def remove_leftovers() -> None:
    """Remove shared memory of programs that were killed: another program with the same process ID would not start."""
    for pattern in ("faketime_shm_*", "sem.faketime_sem_*"):
        for file in SHARED_MEMORY.glob(pattern):
            if not Path("/proc", file.name.rpartition("_")[2]).exists():
                with suppress(OSError):  # another user's
                    file.unlink()
