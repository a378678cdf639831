"""Takes the screenshots of docs/pages.md. It's not a test, but runs under pytest to use the tests' fixtures.

`scripts/screenshots` runs it. Each screenshot shows a page on a desktop and on a phone.
"""

from io import BytesIO

import pytest
from PIL import Image
from playwright.async_api import Page

from tests.relay.browser.gallery import SCHEMES, get_screenshot_path

DESKTOP, PHONE = {"width": 1180, "height": 680}, {"width": 360, "height": 680}
MAX_HEIGHT = 2200
GAP, COLOURS = 24, 256
BACKGROUND = {"light": "#c9d3e0", "dark": "#2b374b"}


@pytest.mark.parametrize("scheme", SCHEMES)
async def test_take_screenshots(gallery, scheme):
    options = {"viewport": DESKTOP, "color_scheme": scheme, "reduced_motion": "reduce", "scripts": True}
    async for name, window in gallery.open_all(**options):
        part = gallery.screenshots[name].part
        images = [await _capture(window, viewport, part) for viewport in (DESKTOP, PHONE)]
        _join(images, BACKGROUND[scheme]).save(get_screenshot_path(name, scheme), optimize=True)


async def _capture(window: Page, viewport: dict[str, int], part: str | None) -> Image.Image:
    await window.set_viewport_size(viewport)
    if part is not None:
        return Image.open(BytesIO(await window.locator(part).screenshot())).convert("RGB")
    # Make the window as tall as the page, so that full-height elements end where the page ends.
    height = await window.evaluate("document.documentElement.scrollHeight")
    await window.set_viewport_size({"width": viewport["width"], "height": height})
    return Image.open(BytesIO(await window.screenshot(full_page=True))).convert("RGB")


def _join(images: list[Image.Image], background: str) -> Image.Image:
    """Put the images side by side, cut off below MAX_HEIGHT, with few colours to keep the file small."""
    cropped = [image.crop((0, 0, image.width, min(image.height, MAX_HEIGHT))) for image in images]
    width = sum(image.width for image in cropped) + GAP * (len(cropped) + 1)
    sheet = Image.new("RGB", (width, max(image.height for image in cropped) + 2 * GAP), background)
    left = GAP
    for image in cropped:
        sheet.paste(image, (left, GAP))
        left += image.width + GAP
    return sheet.quantize(COLOURS, dither=Image.Dither.NONE)
