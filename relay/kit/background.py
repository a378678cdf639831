"""Background loops of one process: started together, restarted one by one after a failure, stopped together."""

import asyncio
import logging
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from relay.kit.database import find_database_error
from relay.kit.errors import OperatorError

log = logging.getLogger(__name__)

MAX_RESTART_DELAY_SECONDS = 60.0

type BackgroundLoops = dict[str, Callable[[], Awaitable[object]]]
"""Coroutine functions that run until cancelled, by the name that logs show."""


async def run_with_restarts(name: str, target: Callable[[], Awaitable[object]], *, initial_delay: float = 1.0) -> None:
    """Run `target` until cancelled. When it ends or raises, log that and start it again after a delay.

    `initial_delay`, in seconds, doubles up to a minute while the target keeps failing within a minute of its start.
    """
    delay = initial_delay
    loop = asyncio.get_running_loop()
    while True:
        started_at = loop.time()
        try:
            await target()
            log.warning("background loop ended and is restarted loop=%r", name)
        except OperatorError as error:
            log.error("background loop failed and is restarted loop=%r error=%s", name, error)  # noqa: TRY400 - one line
        except Exception as error:
            if (database_error := find_database_error(error)) is None:
                log.exception("background loop failed and is restarted loop=%r", name)
            else:
                # Only the type: the message of a database error may quote a row. And no traceback: libraries wrap the
                # error several times, and a database that is down needs one line.
                log.error(  # noqa: TRY400 - see the comment above
                    "background loop failed and is restarted loop=%r error=%s", name, type(database_error).__name__
                )
        delay = (
            initial_delay
            if loop.time() - started_at > MAX_RESTART_DELAY_SECONDS
            else min(delay * 2, MAX_RESTART_DELAY_SECONDS)
        )
        await asyncio.sleep(delay * random.uniform(0.8, 1.2))  # noqa: S311 - jitter, not a secret


@asynccontextmanager
async def run_in_background(loops: BackgroundLoops) -> AsyncIterator[None]:
    """Keep all `loops` running while the block runs; at its end, cancel them and wait until they have stopped."""
    tasks = [asyncio.create_task(run_with_restarts(name, target), name=name) for name, target in loops.items()]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
