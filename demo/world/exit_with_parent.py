"""Run a command that gets SIGTERM when its parent dies: `python exit_with_parent.py PARENT-PID COMMAND ARGUMENT…`.

The demo runs this file with `-I -S` (no packages), so that no code has to run between fork and exec. The kernel keeps
the parent-death signal across exec: if the demo is killed, its components are still asked to stop.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main(parent: int, command: list[str]) -> None:
    """Set the parent-death signal and exec the command."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:  # the parent died before the signal was set
        sys.exit(1)
    try:
        os.execv(command[0], command)  # noqa: S606 - commands of the demo, without a shell
    except OSError as error:
        sys.exit(f"cannot start {command[0]}: {error.strerror}")


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
