"""The best browser that there is."""

from contextlib import AbstractAsyncContextManager

from demo.world.browser.browser import Browser
from demo.world.browser.by_chromium import open_chromium
from demo.world.browser.by_forms import open_forms
from demo.world.chromium import find_chromium


def open_browser() -> AbstractAsyncContextManager[Browser]:
    """A Chromium where one is found, else what can do without."""
    program = find_chromium()
    return open_forms() if program is None else open_chromium(program)
