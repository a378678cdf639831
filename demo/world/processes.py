"""Start programs, wait until they are ready, and leave none of them running."""

import asyncio
import contextlib
import ctypes
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from demo.world import exit_with_parent, procfs
from demo.world.errors import ComponentError
from demo.world.pid_file import GRACE_SECONDS, PidFile, send_signal, wait_for_exit

PR_SET_CHILD_SUBREAPER = 36
POLL_SECONDS = 0.05
INHERITED_VARIABLES = ("HOME", "LANG", "LOGNAME", "PATH", "SHELL", "TERM", "TMPDIR", "USER")


def inherit_variables() -> dict[str, str]:
    """Return the variables of our environment that the demo's programs get."""
    return {name: os.environ[name] for name in INHERITED_VARIABLES if name in os.environ}


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """A program to run. `environment` is complete, so that the user's own credentials don't leak into the demo."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    folder: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Child:
    """A running program in a session of its own, which ends with the demo."""

    name: str
    process: Process
    log: Path

    @property
    def is_alive(self) -> bool:
        """Whether the process is running."""
        return self.process.returncode is None

    def get_exit_error(self) -> ComponentError:
        """Return an error that describes the exit."""
        code = self.process.returncode or 0
        how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit status {code}"
        return ComponentError(f"{self.name} {how}", log=self.log)


class Supervisor:
    """Supervises all processes of the demo. Once `force` is set, it kills them without a grace period."""

    def __init__(self, *, pid_file: PidFile, logs: Path, force: asyncio.Event) -> None:
        self._pid_file = pid_file
        self._logs = logs
        self._children: list[Child] = []
        self._expected_exits: list[Child] = []
        self._watch_tasks: list[asyncio.Task[None]] = []
        self._unexpected_exit: asyncio.Future[Child] = asyncio.get_running_loop().create_future()
        self._started_names: set[str] = set()
        self._force = force

    async def start(self, program: Program) -> Child:
        """Start a server. Its output goes to a log named after it. An unexpected exit fails `run_while_alive`."""
        child = await self._start_process(program, stdout=None)
        self._watch_tasks.append(asyncio.create_task(self._watch(child)))
        return child

    async def _watch(self, child: Child) -> None:
        await child.process.wait()
        if child not in self._expected_exits and not self._unexpected_exit.done():
            self._unexpected_exit.set_result(child)

    async def run_while_alive[T](self, work: Coroutine[Any, Any, T]) -> T:
        """Run `work`. Raises ComponentError as soon as a server exits unexpectedly."""
        task = asyncio.create_task(work)
        try:
            await asyncio.wait((task, self._unexpected_exit), return_when=asyncio.FIRST_COMPLETED)
            if self._unexpected_exit.done():
                raise self._unexpected_exit.result().get_exit_error()
            return task.result()
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def run_to_end(self, program: Program, *, within: float) -> str:
        """Run a program and return its output. Raises ComponentError if it fails or exceeds `within` seconds."""
        child = await self._start_process(program, stdout=PIPE)
        try:
            async with asyncio.timeout(within):
                printed, _ = await child.process.communicate()
        except TimeoutError:
            raise ComponentError(f"{program.name} did not end within {within:.0f} s", log=child.log) from None
        self._remove(child)
        if child.process.returncode != 0:
            raise child.get_exit_error()
        return printed.decode()

    async def wait_until_ready(self, child: Child, ready: Callable[[], Awaitable[bool]], *, within: float) -> None:
        """Wait until a child is ready. Raises ComponentError if it exits or `within` seconds have passed."""
        deadline = asyncio.get_running_loop().time() + within
        while not await ready():
            if not child.is_alive:
                raise child.get_exit_error()
            if asyncio.get_running_loop().time() > deadline:
                raise ComponentError(f"{child.name} was not ready within {within:.0f} s", log=child.log)
            await asyncio.sleep(POLL_SECONDS)

    def kill(self, child: Child) -> list[procfs.Process]:
        """Kill a child and its session without a chance to clean up. Returns the session's processes."""
        self._expected_exits.append(child)
        if child.is_alive:
            with contextlib.suppress(ProcessLookupError):
                child.process.kill()
        session = [process for process in procfs.list_processes() if process.session == child.process.pid]
        for process in session:
            send_signal(process, signal.SIGKILL)
        return session

    async def stop(self, child: Child, *, grace: float = GRACE_SECONDS) -> bool:
        """Terminate a child; kill it after `grace` seconds or if forced. Returns whether it ended by itself."""
        self._expected_exits.append(child)
        if child.is_alive:
            with contextlib.suppress(ProcessLookupError):
                child.process.terminate()
        ended = asyncio.create_task(child.process.wait())
        forced = asyncio.create_task(self._force.wait())
        await asyncio.wait((ended, forced), timeout=grace, return_when=asyncio.FIRST_COMPLETED)
        forced.cancel()
        by_itself = ended.done()
        killed = self.kill(child)  # also what the child has left in its session
        await ended
        await wait_for_exit(killed, within=1.0)
        self._remove(child)
        return by_itself

    async def stop_all(self) -> list[str]:
        """Stop all children concurrently. Returns the names of those that had to be killed."""
        children = list(self._children)
        by_themselves = await asyncio.gather(*(self.stop(child) for child in children))
        await asyncio.gather(*self._watch_tasks)
        return [child.name for child, itself in zip(children, by_themselves, strict=True) if not itself]

    async def _start_process(self, program: Program, *, stdout: int | None) -> Child:
        log = self._logs / f"{program.name}.log"
        # A log covers one run of the demo, restarts included.
        mode = "ab" if program.name in self._started_names else "wb"
        self._started_names.add(program.name)
        with log.open(mode) as output:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-I", "-S", exit_with_parent.__file__, str(os.getpid())),
                *program.command,
                stdin=DEVNULL,
                stdout=output if stdout is None else stdout,
                stderr=output,
                cwd=program.folder,
                env=inherit_variables() | dict(program.environment),
                start_new_session=True,  # Ctrl-C goes to the demo only, which stops its children
            )
        child = Child(name=program.name, process=process, log=log)
        self._children.append(child)
        self._pid_file.add(process.pid)
        return child

    def _remove(self, child: Child) -> None:
        if child in self._children:
            self._children.remove(child)
        self._pid_file.remove(child.process.pid)


def adopt_orphans() -> None:
    """Become the parent of orphaned descendants, so that they can be found."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1)


async def kill_orphans() -> None:
    """Kill orphaned descendants outside of the sessions. Call it after all children have ended."""
    for _ in range(10):  # killing an orphan may orphan its children
        orphans = [process for process in procfs.list_processes() if process.parent == os.getpid()]
        if not orphans:
            return
        for orphan in orphans:
            send_signal(orphan, signal.SIGKILL)
        await wait_for_exit(orphans, within=0.5)
