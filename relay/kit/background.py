"""Background work of one process: started together, restarted alone, ended together."""

import asyncio
import logging
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import psycopg

log = logging.getLogger(__name__)

MAX_RESTART_DELAY_SECONDS = 60.0


async def run_with_restarts(name: str, target: Callable[[], Awaitable[object]], *, initial_delay: float = 1.0) -> None:
    """Run `work` again and again until cancelled: whatever it dies of is logged, and it gets another try.

    `pause` is the first wait in seconds; it doubles up to a minute while the work keeps failing at once.
    """
    wait = initial_delay
    loop = asyncio.get_running_loop()
    while True:
        began = loop.time()
        try:
            await target()
            log.warning("%s ended; starting it again", name)
        except psycopg.Error as error:
            # Its text may quote a row.
            log.error("%s failed (%s); starting it again", name, type(error).__name__)  # noqa: TRY400 - as the comment says
        except Exception:
            log.exception("%s failed; starting it again", name)
        wait = (
            initial_delay
            if loop.time() - began > MAX_RESTART_DELAY_SECONDS
            else min(wait * 2, MAX_RESTART_DELAY_SECONDS)
        )
        await asyncio.sleep(wait * random.uniform(0.8, 1.2))  # noqa: S311 - jitter, not a secret


@asynccontextmanager
async def run_in_background(loops: dict[str, Callable[[], Awaitable[object]]]) -> AsyncIterator[None]:
    """Keep all of `work` running while the block runs; at its end cancel it and wait until it is gone."""
    tasks = [asyncio.create_task(run_with_restarts(name, it), name=name) for name, it in loops.items()]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
