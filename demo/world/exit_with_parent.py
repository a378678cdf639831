"""Runs a command that ends when its parent does: `python tether.py PARENT-PID COMMAND ARGUMENT…`.

Python starts this file itself (`-I -S`, no packages), so that nothing needs to run between fork and exec. The kernel
keeps the wish across exec: when the demo is killed without a chance to clean up, its parts are asked to stop.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main(parent: int, command: list[str]) -> None:
    """Become the command."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:  # it died before the wish was in place
        sys.exit(1)
    try:
        os.execv(command[0], command)  # noqa: S606 - our own commands, and a shell is not wanted
    except OSError as error:
        sys.exit(f"cannot start {command[0]}: {error.strerror}")


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
