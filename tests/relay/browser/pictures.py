"""Takes the pictures of docs/pages.md: not a test, but told like one, so that it has what the tests have.

`scripts/screenshots` runs it. Each picture shows a page on a desk and on a phone.
"""

import dataclasses
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from relay.vehicles.limits import VehicleLimits
from tests.architecture.tree import ROOT
from tests.relay.browser.household import CONSENT, move_in
from tests.relay.plans import CLOUD

FOLDER: Path = ROOT / "docs" / "images" / "pages"
DESK, PHONE = {"width": 1180, "height": 820}, {"width": 360, "height": 820}
TALLEST = 1500
GAP, COLOURS = 24, 200
PAGES = {
    "landing": "/",
    "sign-in": "/sign-in",
    "home": "/home",
    "installations": "/installations",
    "disconnect": "/installations/{key}/disconnect",
    "keys": "/keys",
    "usage": "/usage",
    "profile": "/profile",
    "delete": "/profile/delete",
    "unlink": "/vehicles/{car}/unlink",
    "choose": "/vehicles/choose",
    "consent": CONSENT,
    "problem": "/nowhere",
}
OUTSIDE = {"landing", "sign-in", "problem"}
GROUND = {"light": "#c9d3e0", "dark": "#2b374b"}


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_pictures(open_page, app, account, pool, scheme):
    await move_in(pool, account.user_id)
    limits = VehicleLimits(by_plan={"pro": 3})
    app.state.runtime = dataclasses.replace(app.state.runtime, plans=CLOUD, vehicle_limits=limits)
    async with pool.connection() as connection:
        key = await (await connection.execute("select id from api_keys order by name")).fetchone()
        car = await (await connection.execute("select id from vehicles order by created_at")).fetchone()
    for name, path in PAGES.items():
        sides = []
        for viewport in (DESK, PHONE):
            user = None if name in OUTSIDE else account.user_id
            window = await open_page(user, viewport=viewport, color_scheme=scheme, reduced_motion="reduce")
            await window.goto(path.format(key=key[0], car=car[0]))
            # As tall as the page: what is as tall as the window ends where the page ends.
            whole = await window.evaluate("document.documentElement.scrollHeight")
            await window.set_viewport_size({"width": viewport["width"], "height": whole})
            sides.append(Image.open(BytesIO(await window.screenshot(full_page=True))).convert("RGB"))
            await window.context.close()
        _together(sides, GROUND[scheme]).save(FOLDER / f"{name}-{scheme}.png", optimize=True)


def _together(sides: list[Image.Image], ground: str) -> Image.Image:
    """Side by side, cut where they grow long, in few colours."""
    cut = [it.crop((0, 0, it.width, min(it.height, TALLEST))) for it in sides]
    width = sum(it.width for it in cut) + GAP * (len(cut) + 1)
    sheet = Image.new("RGB", (width, max(it.height for it in cut) + 2 * GAP), ground)
    left = GAP
    for it in cut:
        sheet.paste(it, (left, GAP))
        left += it.width + GAP
    return sheet.quantize(COLOURS, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
