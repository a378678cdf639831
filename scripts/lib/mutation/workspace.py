"""A temporary copy of the tree to mutate, so that the working tree is never touched."""

import math
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from scripts.lib.child_processes import GRACE_SECONDS, ROOT
from scripts.lib.git import list_existing_files
from tests.relay.support.memory_folder import MEMORY, has_memory

PROGRESS_SECONDS = 20.0
MIN_FREE_BYTES = 3 * 1024**3


@contextmanager
def make_folder() -> Iterator[Path]:
    """Make a temporary folder, in memory if there is room, where a test's PostgreSQL costs a fraction."""
    parent = MEMORY if has_memory(MIN_FREE_BYTES) else None
    with tempfile.TemporaryDirectory(prefix="evconduit-mutate-", dir=parent) as name:
        (Path(name) / "tmp").mkdir()
        yield Path(name)


def build_environment(folder: Path, extra: Mapping[str, str]) -> dict[str, str]:
    """Build the environment of the programs that run tests: temporary files in our folder, bytecode as usual."""
    inherited = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {**inherited, "TMPDIR": str(folder / "tmp"), **extra}


def copy_tree(target: Path) -> None:
    """Copy the files that git has or would commit, as they are in the working tree."""
    for name in list_existing_files():
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, target / name)


@dataclass(frozen=True, kw_only=True, slots=True)
class LoggedCommand:
    """A command, the folder it runs in, the file for its output, and its environment."""

    arguments: tuple[str, ...]
    folder: Path
    log: Path
    environment: Mapping[str, str]

    def read_log(self) -> str:
        """Return the output so far. A line that was written over another one counts as a line."""
        return self.log.read_text(encoding="utf-8", errors="replace").replace("\r", "\n")


_running: set[subprocess.Popen[bytes]] = set()


def map_in_threads[T, R](
    function: Callable[[T], R], items: Iterable[T], workers: int, *, stop: Callable[[], object]
) -> list[R]:
    """Call a function with each item, in `workers` threads. After an exception, `stop` has to unblock the threads."""
    with ThreadPoolExecutor(workers) as pool:
        try:
            return list(pool.map(function, items))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            stop()
            raise


def stop_running() -> None:
    """Stop all commands of `run_logged`, whose callers then get their exit status."""
    for child in tuple(_running):
        with suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGINT)


def run_logged(
    command: LoggedCommand, *, timeout: float | None = None, on_wait: Callable[[], None] = lambda: None
) -> int | None:
    """Run a command. Returns its exit status; None if it ran longer than `timeout` seconds.

    `on_wait` is called every PROGRESS_SECONDS. The command and its children are stopped in any case.
    """
    deadline = math.inf if timeout is None else time.monotonic() + timeout
    with (
        command.log.open("wb") as output,
        subprocess.Popen(  # noqa: S603 - tools of this environment, by their paths
            command.arguments,
            cwd=command.folder,
            env=command.environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        ) as child,
    ):
        _running.add(child)
        try:
            while (left := deadline - time.monotonic()) > 0:
                try:
                    return child.wait(min(PROGRESS_SECONDS, left))
                except subprocess.TimeoutExpired:
                    on_wait()
            return None
        finally:
            _stop_group(child)
            _running.discard(child)


def _stop_group(child: subprocess.Popen[bytes]) -> None:
    """Stop a child and all that it started: with SIGINT, so that pytest stops its PostgreSQL, else with SIGKILL."""
    for number in (signal.SIGINT, signal.SIGKILL):
        if child.poll() is not None:
            break
        os.killpg(child.pid, number)
        try:
            child.wait(GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            continue
