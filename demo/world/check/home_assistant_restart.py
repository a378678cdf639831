"""Check that a restarted Home Assistant shows the cars at once."""

import time

from demo.world.check.context import FROZEN, CheckContext
from demo.world.check.expected_states import wait_until_equal

RESTORE_SECONDS = 3.0


async def check_restart(context: CheckContext) -> str:
    """Restart Home Assistant and check that all entities have the right states as soon as it is running."""
    await context.world.simulator.set_speed(FROZEN)
    home_assistant = context.world.home_assistant
    await home_assistant.stop()
    began = time.monotonic()
    await home_assistant.start()
    await home_assistant.wait_until_running()
    running = time.monotonic() - began
    async with context.open_view() as view:
        equal = await wait_until_equal(context, view, within=RESTORE_SECONDS)
        return f"running after {running:.1f} s, all states {equal * 1000:.0f} ms later"
