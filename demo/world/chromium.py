"""A Chromium of this machine, without a screen and without the internet."""

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from playwright.async_api import Browser, async_playwright

from demo.world.ports import HOST

PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = (
    "--headless",
    "--no-sandbox",  # needed as root; only what the demo itself started is opened
    f"--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE {HOST}",  # holds for redirects too, which Playwright never sees
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def find_chromium() -> str | None:
    """A Chromium of this machine."""
    return next((path for path in map(shutil.which, PROGRAMS) if path), None)


@asynccontextmanager
async def launch_chromium(program: str) -> AsyncIterator[Browser]:
    """A running Chromium, which finds nothing but this machine. Raises Playwright's errors."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=program, args=list(FLAGS))
        try:
            yield browser
        finally:
            await browser.close()
