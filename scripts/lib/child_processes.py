"""Run child processes with visible output and a time limit, and leave none of them running."""

import shlex
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

ROOT = Path(__file__).resolve().parents[2]

# Enough for the demo to stop its components, and for pytest to stop its PostgreSQL.
GRACE_SECONDS = 20.0
TIMED_OUT_STATUS = 124


class TerminationRequestedError(KeyboardInterrupt):
    """The process received SIGTERM. Unlike Ctrl-C, it doesn't reach the children by itself."""


def run_command(command: Sequence[str], *, timeout: float | None = None) -> int:
    """Run a command in the repository's root. Returns its exit status, or 124 after `timeout` seconds."""
    print(f"==> {shlex.join(command)}", flush=True)
    with subprocess.Popen(command, cwd=ROOT) as child:  # noqa: S603 - tools of this environment, by their paths
        try:
            return child.wait(timeout)
        except subprocess.TimeoutExpired:
            print(f"error: stopped after {timeout:.0f} s", flush=True)
            child.send_signal(signal.SIGINT)  # not SIGTERM, which ends pytest without its teardown
            return TIMED_OUT_STATUS
        except TerminationRequestedError:
            child.send_signal(signal.SIGINT)
            raise
        finally:
            _wait_or_kill(child)


def _wait_or_kill(child: subprocess.Popen[bytes]) -> None:
    """Wait for a child that was asked to stop; terminate it after a grace period, then kill it."""
    for stop in (child.terminate, child.kill):
        try:
            child.wait(GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            stop()


def stop_children_on_sigterm() -> None:
    """Make SIGTERM raise an exception as Ctrl-C does, so that `run_command` stops its child.

    Also restores the default of SIGINT and SIGQUIT, which children inherit: shells ignore them for background jobs.
    """

    def unwind(_number: int, _frame: FrameType | None) -> None:
        raise TerminationRequestedError

    signal.signal(signal.SIGTERM, unwind)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGQUIT, signal.SIG_DFL)
