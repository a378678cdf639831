"""Find and launch a headless Chromium without internet access."""

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from playwright.async_api import Browser, async_playwright

from demo.world.ports import HOST

PROGRAMS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = (
    "--headless",
    "--no-sandbox",  # required as root; only pages of the demo's own servers are opened
    f"--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE {HOST}",  # also covers redirects, which Playwright can't intercept
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def find_chromium() -> str | None:
    """Find an installed Chromium; None if there is none."""
    return next((path for path in map(shutil.which, PROGRAMS) if path), None)


@asynccontextmanager
async def launch_chromium(program: str) -> AsyncIterator[Browser]:
    """Launch a Chromium that resolves no host but loopback. Raises Playwright's errors."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=program, args=list(FLAGS))
        try:
            yield browser
        finally:
            await browser.close()
