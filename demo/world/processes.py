"""Starts programs, waits until they are ready, and leaves none of them behind."""

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """What to run. Its environment is given whole: credentials of the person's own never leak into the demo."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    folder: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Child:
    """A running program, in a session of its own, tied to our life."""

    name: str
    process: Process
    log: Path

    @property
    def is_alive(self) -> bool:
        """Whether it has not ended yet."""
        return self.process.returncode is None

    def get_exit_error(self) -> ComponentError:
        """Its unwanted end, as an error."""
        code = self.process.returncode or 0
        how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit status {code}"
        return ComponentError(f"{self.name} {how}", log=self.log)


class Supervisor:
    """Holds all processes that the demo has started. Once `force` is set it asks nobody any more, but kills."""

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
        """Start a server; its output goes to a log named after it. That it ends by itself is an alarm: see `guard`."""
        child = await self._start_process(program, stdout=None)
        self._watch_tasks.append(asyncio.create_task(self._watch(child)))
        return child

    async def _watch(self, child: Child) -> None:
        await child.process.wait()
        if child not in self._expected_exits and not self._unexpected_exit.done():
            self._unexpected_exit.set_result(child)

    async def run_while_alive[T](self, work: Coroutine[Any, Any, T]) -> T:
        """Run something while all servers live. Raises BrokenPartError as soon as one of them has died."""
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
        """Run a program to its end and give what it printed. Raises BrokenPartError unless it ends well in time."""
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
        """Wait until a child answers. Raises BrokenPartError when it ends or `within` seconds are over."""
        deadline = asyncio.get_running_loop().time() + within
        while not await ready():
            if not child.is_alive:
                raise child.get_exit_error()
            if asyncio.get_running_loop().time() > deadline:
                raise ComponentError(f"{child.name} was not ready within {within:.0f} s", log=child.log)
            await asyncio.sleep(POLL_SECONDS)

    def kill(self, child: Child) -> list[procfs.Process]:
        """End a child without a chance to clean up: it and its whole session, which is returned."""
        self._expected_exits.append(child)
        if child.is_alive:
            with contextlib.suppress(ProcessLookupError):
                child.process.kill()
        session = [process for process in procfs.list_processes() if process.session == child.process.pid]
        for process in session:
            send_signal(process, signal.SIGKILL)
        return session

    async def stop(self, child: Child, *, grace: float = GRACE_SECONDS) -> bool:
        """End a child: asked first, killed after `grace` seconds or when in a force. Whether it ended by itself."""
        self._expected_exits.append(child)
        if child.is_alive:
            with contextlib.suppress(ProcessLookupError):
                child.process.terminate()
        ended = asyncio.create_task(child.process.wait())
        hurried = asyncio.create_task(self._force.wait())
        await asyncio.wait((ended, hurried), timeout=grace, return_when=asyncio.FIRST_COMPLETED)
        hurried.cancel()
        by_itself = ended.done()
        killed = self.kill(child)  # also what a child that ended well has left in its session
        await ended
        await wait_for_exit(killed, within=1.0)
        self._remove(child)
        return by_itself

    async def stop_all(self) -> list[str]:
        """End everything at the same time; the names of those that had to be killed."""
        children = list(self._children)
        by_themselves = await asyncio.gather(*(self.stop(child) for child in children))
        await asyncio.gather(*self._watch_tasks)
        return [child.name for child, itself in zip(children, by_themselves, strict=True) if not itself]

    async def _start_process(self, program: Program, *, stdout: int | None) -> Child:
        log = self._logs / f"{program.name}.log"
        mode = "ab" if program.name in self._started_names else "wb"  # a log tells of this run, with all its restarts
        self._started_names.add(program.name)
        with log.open(mode) as output:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-I", "-S", exit_with_parent.__file__, str(os.getpid())),
                *program.command,
                stdin=DEVNULL,
                stdout=output if stdout is None else stdout,
                stderr=output,
                cwd=program.folder,
                env={name: os.environ[name] for name in INHERITED_VARIABLES if name in os.environ}
                | dict(program.environment),
                start_new_session=True,  # Ctrl-C in the terminal is for us; we stop them in our order
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
    """Become the parent of whatever our children leave behind, so that it can be found."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1)


async def kill_orphans() -> None:
    """Kill what our children left behind outside their sessions. Call when no child of ours is left."""
    for _ in range(10):  # an orphan may have children that become ours with its death
        orphans = [process for process in procfs.list_processes() if process.parent == os.getpid()]
        if not orphans:
            return
        for orphan in orphans:
            send_signal(orphan, signal.SIGKILL)
        await wait_for_exit(orphans, within=0.5)
