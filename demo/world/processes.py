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

from demo.world import procfs, tether
from demo.world.errors import BrokenPartError
from demo.world.ledger import GRACE_SECONDS, Ledger, gone, signal_process

PR_SET_CHILD_SUBREAPER = 36
POLL_SECONDS = 0.05
KEPT = ("HOME", "LANG", "LOGNAME", "PATH", "SHELL", "TERM", "TMPDIR", "USER")


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
    def alive(self) -> bool:
        """Whether it has not ended yet."""
        return self.process.returncode is None

    def death(self) -> BrokenPartError:
        """Its unwanted end, as an error."""
        code = self.process.returncode or 0
        how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit status {code}"
        return BrokenPartError(f"{self.name} {how}", log=self.log)


class Supervisor:
    """Holds all processes that the demo has started. Once `hurry` is set it asks nobody any more, but kills."""

    def __init__(self, *, ledger: Ledger, logs: Path, hurry: asyncio.Event) -> None:
        self._ledger = ledger
        self._logs = logs
        self._children: list[Child] = []
        self._ending: list[Child] = []
        self._watches: list[asyncio.Task[None]] = []
        self._death: asyncio.Future[Child] = asyncio.get_running_loop().create_future()
        self._begun: set[str] = set()
        self._hurry = hurry

    async def start(self, program: Program) -> Child:
        """Start a server; its output goes to a log named after it. That it ends by itself is an alarm: see `guard`."""
        child = await self._spawn(program, stdout=None)
        self._watches.append(asyncio.create_task(self._watch(child)))
        return child

    async def _watch(self, child: Child) -> None:
        await child.process.wait()
        if child not in self._ending and not self._death.done():
            self._death.set_result(child)

    async def guard[T](self, work: Coroutine[Any, Any, T]) -> T:
        """Run something while all servers live. Raises BrokenPartError as soon as one of them has died."""
        task = asyncio.create_task(work)
        try:
            await asyncio.wait((task, self._death), return_when=asyncio.FIRST_COMPLETED)
            if self._death.done():
                raise self._death.result().death()
            return task.result()
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def run(self, program: Program, *, within: float) -> str:
        """Run a program to its end and give what it printed. Raises BrokenPartError unless it ends well in time."""
        child = await self._spawn(program, stdout=PIPE)
        try:
            async with asyncio.timeout(within):
                printed, _ = await child.process.communicate()
        except TimeoutError:
            raise BrokenPartError(f"{program.name} did not end within {within:.0f} s", log=child.log) from None
        self._forget(child)
        if child.process.returncode != 0:
            raise child.death()
        return printed.decode()

    async def until_ready(self, child: Child, ready: Callable[[], Awaitable[bool]], *, within: float) -> None:
        """Wait until a child answers. Raises BrokenPartError when it ends or `within` seconds are over."""
        deadline = asyncio.get_running_loop().time() + within
        while not await ready():
            if not child.alive:
                raise child.death()
            if asyncio.get_running_loop().time() > deadline:
                raise BrokenPartError(f"{child.name} was not ready within {within:.0f} s", log=child.log)
            await asyncio.sleep(POLL_SECONDS)

    def kill(self, child: Child) -> list[procfs.Process]:
        """End a child without a chance to clean up: it and its whole session, which is returned."""
        self._ending.append(child)
        if child.alive:
            with contextlib.suppress(ProcessLookupError):
                child.process.kill()
        session = [process for process in procfs.living() if process.session == child.process.pid]
        for process in session:
            signal_process(process, signal.SIGKILL)
        return session

    async def stop(self, child: Child, *, grace: float = GRACE_SECONDS) -> bool:
        """End a child: asked first, killed after `grace` seconds or when in a hurry. Whether it ended by itself."""
        self._ending.append(child)
        if child.alive:
            with contextlib.suppress(ProcessLookupError):
                child.process.terminate()
        ended = asyncio.create_task(child.process.wait())
        hurried = asyncio.create_task(self._hurry.wait())
        await asyncio.wait((ended, hurried), timeout=grace, return_when=asyncio.FIRST_COMPLETED)
        hurried.cancel()
        by_itself = ended.done()
        killed = self.kill(child)  # also what a child that ended well has left in its session
        await ended
        await gone(killed, within=1.0)
        self._forget(child)
        return by_itself

    async def stop_all(self) -> list[str]:
        """End everything at the same time; the names of those that had to be killed."""
        children = list(self._children)
        by_themselves = await asyncio.gather(*(self.stop(child) for child in children))
        await asyncio.gather(*self._watches)
        return [child.name for child, itself in zip(children, by_themselves, strict=True) if not itself]

    async def _spawn(self, program: Program, *, stdout: int | None) -> Child:
        log = self._logs / f"{program.name}.log"
        mode = "ab" if program.name in self._begun else "wb"  # a log tells of this run, with all its restarts
        self._begun.add(program.name)
        with log.open(mode) as output:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-I", "-S", tether.__file__, str(os.getpid())),
                *program.command,
                stdin=DEVNULL,
                stdout=output if stdout is None else stdout,
                stderr=output,
                cwd=program.folder,
                env={name: os.environ[name] for name in KEPT if name in os.environ} | dict(program.environment),
                start_new_session=True,  # Ctrl-C in the terminal is for us; we stop them in our order
            )
        child = Child(name=program.name, process=process, log=log)
        self._children.append(child)
        self._ledger.add(process.pid)
        return child

    def _forget(self, child: Child) -> None:
        if child in self._children:
            self._children.remove(child)
        self._ledger.remove(child.process.pid)


def adopt_orphans() -> None:
    """Become the parent of whatever our children leave behind, so that it can be found."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1)


async def end_orphans() -> None:
    """Kill what our children left behind outside their sessions. Call when no child of ours is left."""
    for _ in range(10):  # an orphan may have children that become ours with its death
        orphans = [process for process in procfs.living() if process.parent == os.getpid()]
        if not orphans:
            return
        for orphan in orphans:
            signal_process(orphan, signal.SIGKILL)
        await gone(orphans, within=0.5)
