"""The dashboard in a real browser, where the machine has one."""

from datetime import timedelta

from playwright.async_api import Error as BrowserError

from demo.world.check.bench import FAST, Bench, SkippedError, UnprovenError
from demo.world.chromium import find_chromium
from demo.world.screen import take_picture

CHECKED = timedelta(seconds=45)  # about as long as a check has run by then


async def prove_dashboard(bench: Bench) -> str:
    """A browser draws the dashboard with the cars; a picture is kept."""
    chromium = find_chromium()
    if chromium is None:
        raise SkippedError("there is no Chromium here")
    world = bench.world
    await world.simulator.set_speed(FAST)
    await world.furnish(past=CHECKED)
    try:
        await take_picture(world.home_assistant.api, chromium, bench.picture)
    except BrowserError as error:
        raise UnprovenError(f"expected the dashboard to be drawn, saw {error.message}") from None
    return f"picture in {bench.picture}"
