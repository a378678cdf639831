"""Take a screenshot of the dashboard with Chromium."""

import json
from pathlib import Path
from urllib.parse import urlsplit

from playwright.async_api import Browser, BrowserContext, Page, Route, ViewportSize

from demo.world.chromium import launch_chromium
from demo.world.dashboard import URL_PATH
from demo.world.hass_api import HassApi

VIEWPORT = ViewportSize(width=1440, height=900)
READY_SECONDS = 60
# The dashboard is inside shadow roots; its graphs are drawn last.
IS_DRAWN_SCRIPT = """() => {
  const find = (root, name) => [...root.querySelectorAll('*')].flatMap(
    it => [...(it.localName === name ? [it] : []), ...(it.shadowRoot ? find(it.shadowRoot, name) : [])]);
  const graphs = find(document, 'ha-chart-base');
  return find(document, 'hui-tile-card').length > 3
    && graphs.length > 2 && graphs.every(it => it.shadowRoot.querySelector('canvas'));
}"""


async def take_screenshot(hass: HassApi, chromium: str, file: Path) -> None:
    """Open the dashboard as the signed-in user of `hass`, and write a PNG of it."""
    async with launch_chromium(chromium) as browser:
        page = await _open_dashboard(browser, hass)
        await page.wait_for_function(IS_DRAWN_SCRIPT, timeout=READY_SECONDS * 1000)
        await page.wait_for_timeout(1500)  # wait for the fade-in, which has no event
        await page.screenshot(path=file)


async def _open_dashboard(browser: Browser, hass: HassApi) -> Page:
    context = await browser.new_context(viewport=VIEWPORT, device_scale_factor=1)
    await context.add_init_script(f"localStorage.setItem('hassTokens', {json.dumps(serialize_tokens(hass))});")
    await _block_external_requests(context, hass.url)
    page = await context.new_page()
    await page.goto(f"{hass.url}/{URL_PATH}", wait_until="domcontentloaded")
    return page


async def _block_external_requests(context: BrowserContext, url: str) -> None:
    """Block all requests except to the demo's Home Assistant; also map tiles, which it fetches from the internet."""

    async def decide(route: Route) -> None:
        target = urlsplit(route.request.url)
        if target.netloc == urlsplit(url).netloc and not target.path.startswith("/api/map_tiles/"):
            await route.continue_()
        else:
            await route.abort()

    await context.route("**/*", decide)


def serialize_tokens(hass: HassApi) -> str:
    """What Home Assistant's frontend finds in its storage after a sign-in."""
    return json.dumps({**hass.tokens, "hassUrl": hass.url, "clientId": hass.client_id, "expires": 9_999_999_999_999})
