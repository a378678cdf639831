"""Shutdown signals: the first one stops the demo gracefully, the second one forcibly."""

import asyncio
import signal
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(frozen=True, slots=True)
class ShutdownSignals:
    """Records signals. They cancel only the work in `run_until_signal`, so that cleanup is not interrupted."""

    received: list[signal.Signals] = field(default_factory=list)
    force: asyncio.Event = field(default_factory=asyncio.Event)
    _requested: asyncio.Event = field(default_factory=asyncio.Event)

    def install(self) -> None:
        """Install the signal handlers."""
        for signum in SIGNALS:
            asyncio.get_running_loop().add_signal_handler(signum, self.handle, signum)

    def handle(self, signum: signal.Signals) -> None:
        """Record a signal. Signals after the first one, or during shutdown, set `force`."""
        self.received.append(signum)
        if self._requested.is_set():
            self.force.set()
        self._requested.set()

    async def run_until_signal[T](self, work: Coroutine[Any, Any, T]) -> T | None:
        """Run `work` and return its result. The first signal cancels it; then the result is None."""
        task, stop = asyncio.create_task(work), asyncio.create_task(self._requested.wait())
        await asyncio.wait((task, stop), return_when=asyncio.FIRST_COMPLETED)
        stop.cancel()
        self._requested.set()  # shutting down: any further signal forces it
        if task.done():
            return task.result()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return None
