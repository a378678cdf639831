"""Background tasks."""

import asyncio
import logging
from collections.abc import Coroutine
from contextlib import suppress

log = logging.getLogger(__name__)


def start_task(work: Coroutine[None, None, None]) -> asyncio.Task[None]:
    """Start a task. If it fails, log the error immediately and not only when the process ends."""
    task = asyncio.create_task(work)
    task.add_done_callback(_log_failure)
    return task


async def cancel_task(task: asyncio.Task[None]) -> None:
    """Cancel a task and wait until it has ended. Its errors are ignored."""
    task.cancel()
    with suppress(asyncio.CancelledError, Exception):  # the done callback has logged it
        await task


def _log_failure(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error("background task failed", exc_info=error)
