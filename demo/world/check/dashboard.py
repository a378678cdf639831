"""Check the dashboard in a real browser, if one is installed."""

from datetime import timedelta

from playwright.async_api import Error as BrowserError

from demo.world.check.context import FAST, CheckContext, CheckFailedError, CheckSkippedError
from demo.world.chromium import find_chromium
from demo.world.dashboard_screenshot import take_screenshot

CHECK_DURATION = timedelta(seconds=45)  # approximate run time of the checks before this one


async def check_dashboard(context: CheckContext) -> str:
    """Check that Chromium draws the dashboard, and keep a screenshot."""
    chromium = find_chromium()
    if chromium is None:
        raise CheckSkippedError("Chromium is not installed")
    world = context.world
    await world.simulator.set_speed(FAST)
    await world.create_dashboard(past=CHECK_DURATION)
    try:
        await take_screenshot(world.home_assistant.api, chromium, context.screenshot)
    except BrowserError as error:
        raise CheckFailedError(f"expected the dashboard to be drawn, saw {error.message}") from None
    return f"screenshot in {context.screenshot}"
