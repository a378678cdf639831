"""Poll for conditions that have no events."""

import asyncio
from collections.abc import Awaitable, Callable

from demo.world.errors import ComponentError

POLL_SECONDS = 0.1


async def poll_until(what: str, holds: Callable[[], Awaitable[bool]], *, within: float) -> float:
    """Poll until `holds` is true. Returns the seconds it took. Raises ComponentError, which names `what`."""
    began = asyncio.get_running_loop().time()
    while not await holds():
        if asyncio.get_running_loop().time() - began > within:
            raise ComponentError(f"expected {what} within {within:g} s")
        await asyncio.sleep(POLL_SECONDS)
    return asyncio.get_running_loop().time() - began
