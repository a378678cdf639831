"""Signals that end the demo: the first one asks for it, any further one for haste."""

import asyncio
import signal
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(frozen=True, slots=True)
class ShutdownSignals:
    """What was asked by signals. Nothing is cancelled but what `run` runs, so that cleaning up is left in peace."""

    received: list[signal.Signals] = field(default_factory=list)
    force: asyncio.Event = field(default_factory=asyncio.Event)
    _requested: asyncio.Event = field(default_factory=asyncio.Event)

    def install(self) -> None:
        """Take the signals from now on."""
        for signum in SIGNALS:
            asyncio.get_running_loop().add_signal_handler(signum, self.handle, signum)

    def handle(self, signum: signal.Signals) -> None:
        """A signal came."""
        self.received.append(signum)
        if self._requested.is_set():
            self.force.set()
        self._requested.set()

    async def run_until_signal[T](self, work: Coroutine[Any, Any, T]) -> T | None:
        """Run something to its end, or until the first signal; then None."""
        task, end = asyncio.create_task(work), asyncio.create_task(self._requested.wait())
        await asyncio.wait((task, end), return_when=asyncio.FIRST_COMPLETED)
        end.cancel()
        self._requested.set()  # the end has begun: whoever sends a signal now is in a hurry
        if task.done():
            return task.result()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return None
