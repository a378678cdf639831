"""Row 8: Home Assistant is restarted and shows the cars at once."""

import time

from demo.world.check.bench import FROZEN, Bench
from demo.world.check.values import until_equal

AT_ONCE_SECONDS = 3.0


async def prove_restart(bench: Bench) -> str:
    """As soon as a restarted Home Assistant says that it runs, every entity shows what it should."""
    await bench.world.simulator.set_speed(FROZEN)
    home_assistant = bench.world.home_assistant
    await home_assistant.stop()
    began = time.monotonic()
    await home_assistant.start()
    await home_assistant.until_running()
    running = time.monotonic() - began
    async with bench.look() as look:
        equal = await until_equal(bench, look, within=AT_ONCE_SECONDS)
        return f"running after {running:.1f} s, all values {equal * 1000:.0f} ms later"
