"""Choose a browser."""

from contextlib import AbstractAsyncContextManager

from demo.world.browser.browser import Browser
from demo.world.browser.chromium_browser import open_chromium
from demo.world.browser.forms_browser import open_forms_browser
from demo.world.chromium import find_chromium


def open_browser() -> AbstractAsyncContextManager[Browser]:
    """Open a Chromium if one is installed, otherwise the forms browser."""
    program = find_chromium()
    return open_forms_browser() if program is None else open_chromium(program)
