"""A picture of the dashboard, taken by a Chromium of the machine."""

import json
from pathlib import Path
from urllib.parse import urlsplit

from playwright.async_api import Browser, BrowserContext, Page, Route, ViewportSize

from demo.world.chromium import launch_chromium
from demo.world.dashboard import URL_PATH
from demo.world.hass_api import HassApi

VIEWPORT = ViewportSize(width=1440, height=900)
READY_SECONDS = 60
# The dashboard lies in shadow roots; its graphs are drawn last.
IS_DRAWN_SCRIPT = """() => {
  const find = (root, name) => [...root.querySelectorAll('*')].flatMap(
    it => [...(it.localName === name ? [it] : []), ...(it.shadowRoot ? find(it.shadowRoot, name) : [])]);
  const graphs = find(document, 'ha-chart-base');
  return find(document, 'hui-tile-card').length > 3
    && graphs.length > 2 && graphs.every(it => it.shadowRoot.querySelector('canvas'));
}"""


async def take_screenshot(hass: HassApi, chromium: str, file: Path) -> None:
    """Open the dashboard, signed in as `hass` is, and write a PNG of it."""
    async with launch_chromium(chromium) as browser:
        page = await _open_dashboard(browser, hass)
        await page.wait_for_function(IS_DRAWN_SCRIPT, timeout=READY_SECONDS * 1000)
        await page.wait_for_timeout(1500)  # drawn is not yet faded in, and a browser has no event for that
        await page.screenshot(path=file)


async def _open_dashboard(browser: Browser, hass: HassApi) -> Page:
    context = await browser.new_context(viewport=VIEWPORT, device_scale_factor=1)
    await context.add_init_script(f"localStorage.setItem('hassTokens', {json.dumps(_serialize_tokens(hass))});")
    await _block_external_requests(context, hass.url)
    page = await context.new_page()
    await page.goto(f"{hass.url}/{URL_PATH}", wait_until="domcontentloaded")
    return page


async def _block_external_requests(context: BrowserContext, url: str) -> None:
    """Let nothing but our Home Assistant be asked, and not even that for maps, which it would fetch elsewhere."""

    async def decide(route: Route) -> None:
        asked = urlsplit(route.request.url)
        if asked.netloc == urlsplit(url).netloc and not asked.path.startswith("/api/map_tiles/"):
            await route.continue_()
        else:
            await route.abort()

    await context.route("**/*", decide)


def _serialize_tokens(hass: HassApi) -> str:
    return json.dumps({**hass.tokens, "hassUrl": hass.url, "clientId": hass.client_id, "expires": 9_999_999_999_999})
