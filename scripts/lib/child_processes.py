"""Run child processes with visible output and a time limit, and leave none of them running."""

import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from types import FrameType

ROOT = Path(__file__).resolve().parents[2]

# Enough for the demo to stop its components, and for pytest to stop its PostgreSQL.
GRACE_SECONDS = 20.0
TIMED_OUT_STATUS = 124


class TerminationRequestedError(KeyboardInterrupt):
    """The process received SIGTERM."""


def run_command(command: Sequence[str], *, timeout: float | None = None) -> int:
    """Run a command in the repository's root. Returns its exit status, or 124 after `timeout` seconds."""
    print(f"==> {shlex.join(command)}", flush=True)
    # Only the foreground group of a terminal may read from it, and all of it receives Ctrl-C. Without a terminal, the
    # child has a group of its own, so that a signal reaches what it has started, too: pytest's workers, for example.
    group = None if sys.stdin is not None and sys.stdin.isatty() else 0
    with subprocess.Popen(command, cwd=ROOT, process_group=group) as child:  # noqa: S603 - tools of this environment
        try:
            return child.wait(timeout)
        except subprocess.TimeoutExpired:
            print(f"error: stopped after {timeout:.0f} s", flush=True)
            _interrupt(child, group)
            return TIMED_OUT_STATUS
        except KeyboardInterrupt as error:
            if group is not None or isinstance(error, TerminationRequestedError):
                _interrupt(child, group)
            raise
        finally:
            _wait_or_kill(child)


def run_concurrently(commands: Sequence[Sequence[str]], *, at_once: int) -> list[int]:
    """Run commands in the repository's root, at most `at_once` at a time. Returns their exit statuses.

    The output of a command is printed when it has ended.
    """
    environment = {**os.environ, **({"FORCE_COLOR": "1"} if sys.stdout.isatty() else {})}
    children: list[subprocess.Popen[str]] = []

    def run(command: Sequence[str]) -> int:
        with subprocess.Popen(  # noqa: S603 - tools of this environment, by their paths
            command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment
        ) as child:
            children.append(child)
            output, _ = child.communicate()
        print(f"==> {shlex.join(command)}\n{output}", end="", flush=True)
        return child.returncode

    with ThreadPoolExecutor(at_once) as pool:
        try:
            return list(pool.map(run, commands))
        except KeyboardInterrupt:
            pool.shutdown(wait=False, cancel_futures=True)
            for child in children:
                child.send_signal(signal.SIGINT)
                _wait_or_kill(child)
            raise


def _interrupt(child: subprocess.Popen[bytes], group: int | None) -> None:
    """Send SIGINT to a child, and to all of its group if it has one. SIGTERM would end pytest without its teardown."""
    if group is None:
        child.send_signal(signal.SIGINT)
    else:
        with suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGINT)


def _wait_or_kill(child: subprocess.Popen[bytes] | subprocess.Popen[str]) -> None:
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
