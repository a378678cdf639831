"""Takes the pictures of docs/pages.md: not a test, but told like one, so that it has what the tests have.

`scripts/screenshots` runs it. Each picture shows a page on a desk and on a phone.
"""

from io import BytesIO

import pytest
from PIL import Image
from playwright.async_api import Page

from tests.relay.browser.gallery import SCHEMES, file_of

DESK, PHONE = {"width": 1180, "height": 680}, {"width": 360, "height": 680}
TALLEST = 2400
GAP, COLOURS = 24, 256
GROUND = {"light": "#c9d3e0", "dark": "#2b374b"}


@pytest.mark.parametrize("scheme", SCHEMES)
async def test_pictures(hall, scheme):
    async for name, window in hall.walk(viewport=DESK, color_scheme=scheme, reduced_motion="reduce"):
        sides = [await _side(window, viewport) for viewport in (DESK, PHONE)]
        _together(sides, GROUND[scheme]).save(file_of(name, scheme), optimize=True)


async def _side(window: Page, viewport: dict[str, int]) -> Image.Image:
    await window.set_viewport_size(viewport)
    # As tall as the page: what is as tall as the window ends where the page ends.
    whole = await window.evaluate("document.documentElement.scrollHeight")
    await window.set_viewport_size({"width": viewport["width"], "height": whole})
    return Image.open(BytesIO(await window.screenshot(full_page=True))).convert("RGB")


def _together(sides: list[Image.Image], ground: str) -> Image.Image:
    """Side by side, cut where they grow long, in few colours."""
    cut = [it.crop((0, 0, it.width, min(it.height, TALLEST))) for it in sides]
    width = sum(it.width for it in cut) + GAP * (len(cut) + 1)
    sheet = Image.new("RGB", (width, max(it.height for it in cut) + 2 * GAP), ground)
    left = GAP
    for it in cut:
        sheet.paste(it, (left, GAP))
        left += it.width + GAP
    return sheet.quantize(COLOURS, dither=Image.Dither.NONE)
