"""Row 8: Home Assistant is restarted and shows the cars at once."""

import time

from demo.world.check.context import FROZEN, CheckContext
from demo.world.check.expected_states import wait_until_equal

RESTORE_SECONDS = 3.0


async def check_restart(bench: CheckContext) -> str:
    """As soon as a restarted Home Assistant says that it runs, every entity shows what it should."""
    await bench.world.simulator.set_speed(FROZEN)
    home_assistant = bench.world.home_assistant
    await home_assistant.stop()
    began = time.monotonic()
    await home_assistant.start()
    await home_assistant.wait_until_running()
    running = time.monotonic() - began
    async with bench.open_view() as look:
        equal = await wait_until_equal(bench, look, within=RESTORE_SECONDS)
        return f"running after {running:.1f} s, all values {equal * 1000:.0f} ms later"
