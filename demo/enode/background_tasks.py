"""Tasks that run beside the requests."""

import asyncio
import logging
from collections.abc import Coroutine
from contextlib import suppress

log = logging.getLogger(__name__)


def start_task(work: Coroutine[None, None, None]) -> asyncio.Task[None]:
    """A task of its own. If it breaks, the log says so at once instead of when the process ends."""
    task = asyncio.create_task(work)
    task.add_done_callback(_log_failure)
    return task


async def cancel_task(task: asyncio.Task[None]) -> None:
    """Cancel a task and wait for its end, whatever that was."""
    task.cancel()
    with suppress(asyncio.CancelledError, Exception):  # what broke it was reported when it broke
        await task


def _log_failure(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error("a part of the simulator broke", exc_info=error)
