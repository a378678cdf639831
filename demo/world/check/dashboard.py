"""The dashboard in a real browser, where the machine has one."""

from datetime import timedelta

from playwright.async_api import Error as BrowserError

from demo.world.check.context import FAST, CheckContext, CheckFailedError, CheckSkippedError
from demo.world.chromium import find_chromium
from demo.world.dashboard_screenshot import take_screenshot

CHECK_DURATION = timedelta(seconds=45)  # about as long as a check has run by then


async def check_dashboard(bench: CheckContext) -> str:
    """A browser draws the dashboard with the cars; a picture is kept."""
    chromium = find_chromium()
    if chromium is None:
        raise CheckSkippedError("there is no Chromium here")
    world = bench.world
    await world.simulator.set_speed(FAST)
    await world.create_dashboard(past=CHECK_DURATION)
    try:
        await take_screenshot(world.home_assistant.api, chromium, bench.screenshot)
    except BrowserError as error:
        raise CheckFailedError(f"expected the dashboard to be drawn, saw {error.message}") from None
    return f"picture in {bench.screenshot}"
