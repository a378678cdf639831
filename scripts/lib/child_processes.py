"""Programs that the commands start: seen by the person as they run, bounded in time, never left behind."""

import shlex
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

ROOT = Path(__file__).resolve().parents[2]

# Time enough for the demo to stop its whole world, and for pytest to stop its PostgreSQL.
GRACE_SECONDS = 20.0
TIMED_OUT_STATUS = 124


class TerminationRequestedError(KeyboardInterrupt):
    """SIGTERM. Ctrl-C reaches our children by itself, this does not."""


def run_command(command: Sequence[str], *, timeout: float | None = None) -> int:
    """The exit status of a command run in the tree's root; 124 when it took longer than `timeout` seconds."""
    print(f"==> {shlex.join(command)}", flush=True)
    with subprocess.Popen(command, cwd=ROOT) as child:  # noqa: S603 - our own tools by their paths in the environment
        try:
            return child.wait(timeout)
        except subprocess.TimeoutExpired:
            print(f"error: stopped after {timeout:.0f} s", flush=True)
            child.send_signal(signal.SIGINT)  # not SIGTERM: pytest would die of that without its teardown
            return TIMED_OUT_STATUS
        except TerminationRequestedError:
            child.send_signal(signal.SIGINT)
            raise
        finally:
            _wait_or_kill(child)


def _wait_or_kill(child: subprocess.Popen[bytes]) -> None:
    """Waits for a child that has been told to stop, with growing insistence."""
    for insist in (child.terminate, child.kill):
        try:
            child.wait(GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            insist()


def stop_children_on_sigterm() -> None:
    """Makes SIGTERM unwind the program like Ctrl-C does, so that `run` takes its child along.

    Also where a shell started us in the background: it has us ignore Ctrl-C, and whatever we start would inherit that.
    """

    def unwind(_number: int, _frame: FrameType | None) -> None:
        raise TerminationRequestedError

    signal.signal(signal.SIGTERM, unwind)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGQUIT, signal.SIG_DFL)
