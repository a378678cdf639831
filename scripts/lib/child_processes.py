"""Run child processes with visible output and a time limit, and leave none of them running."""

import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Event
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


@dataclass(frozen=True, kw_only=True, slots=True)
class CommandResult:
    """How a command ended: its exit status (124 after its time limit), its duration and its output."""

    command: Sequence[str]
    status: int
    seconds: float
    output: str

    def print(self) -> None:
        """Print the command and its output."""
        print(f"==> {shlex.join(self.command)}\n{self.output}", end="", flush=True)


@contextmanager
def run_in_background(
    commands: Sequence[Sequence[str]], *, at_once: int = 1, timeout: float | None = None
) -> Iterator[list[Future[CommandResult]]]:
    """Start commands in the repository's root, at most `at_once` at a time. Yields their results to come, in order.

    `timeout` applies to each command. The commands can't read from the terminal, and print nothing by themselves. An
    exception in the body stops those that run. Otherwise they have ended when this context ends.
    """
    environment = {**os.environ, **({"FORCE_COLOR": "1"} if sys.stdout.isatty() else {})}
    children: list[subprocess.Popen[str]] = []
    is_stopping = Event()

    def run(command: Sequence[str]) -> CommandResult:
        started = time.monotonic()
        with subprocess.Popen(  # noqa: S603 - tools of this environment, by their paths
            command,
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=environment,
            process_group=0,
        ) as child:
            children.append(child)
            if is_stopping.is_set():
                _interrupt(child, 0)
            try:
                output, _ = child.communicate(timeout=timeout)
                status = child.returncode
            except subprocess.TimeoutExpired:
                _interrupt(child, 0)
                _wait_or_kill(child)
                output = f"{child.communicate()[0]}error: stopped after {timeout:.0f} s\n"
                status = TIMED_OUT_STATUS
        return CommandResult(command=command, status=status, seconds=time.monotonic() - started, output=output)

    with ThreadPoolExecutor(at_once) as pool:
        try:
            yield [pool.submit(run, command) for command in commands]
        except BaseException:
            is_stopping.set()
            pool.shutdown(wait=False, cancel_futures=True)
            for child in children:
                _interrupt(child, 0)
            for child in children:
                _wait_or_kill(child)
            raise


def run_concurrently(commands: Sequence[Sequence[str]], *, at_once: int) -> list[int]:
    """Run commands in the repository's root, at most `at_once` at a time. Returns their exit statuses.

    The output of a command is printed when it has ended.
    """
    with run_in_background(commands, at_once=at_once) as futures:
        for future in as_completed(futures):
            future.result().print()
        return [future.result().status for future in futures]


def _interrupt(child: subprocess.Popen[bytes] | subprocess.Popen[str], group: int | None) -> None:
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
