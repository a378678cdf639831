"""Check signing in by the printed link, and authorizing Home Assistant on the relay's page."""

from urllib.parse import urlsplit

from demo.world.browser.browser import Browser
from demo.world.browser.open_browser import open_browser
from demo.world.check.context import CheckContext, expect
from demo.world.config_flow import FLOW, list_entries, submit_step
from demo.world.hass_api import HassApi, Json
from demo.world.polling import poll_until

LINK, CONSENT, CALLBACK = "/sign-in/link/", "/oauth/authorize", "/auth/external/callback"
LOAD_SECONDS = 30.0


async def check_sign_in(context: CheckContext) -> str:
    """Reconfigure the entry from an API key to an account, and check that it loads."""
    hass, link = context.world.home_assistant.api, await context.world.relay.create_sign_in_link()
    async with open_browser() as browser:
        await _sign_in_by_link(browser, link)
        step = await _start_reconfigure(hass, context.proxy.url)
        await _approve(browser, hass, step["url"])
        description = browser.description
    done = await hass.get(f"{FLOW}/{step['flow_id']}")
    expect(done.get("reason") == "reconfigure_successful", "reconfigure_successful", done.get("reason", done["type"]))
    loaded = await poll_until("the entry to be loaded", lambda: _is_loaded(hass), within=LOAD_SECONDS)
    return f"{description}; loaded {loaded:.1f} s after approval"


async def _sign_in_by_link(browser: Browser, link: str) -> None:
    """Sign in by a link, and check that it is single-use."""
    await browser.open(link)
    await browser.submit_form(LINK)
    await browser.open(link)
    expect(not await browser.has_form(LINK), "a single-use link", "a link that works twice")


async def _start_reconfigure(hass: HassApi, url: str) -> Json:
    """Start the reconfiguration, up to the step that opens the relay's page."""
    (entry,) = await list_entries(hass)
    form = await hass.post(FLOW, {"handler": "evconduit", "entry_id": entry["entry_id"]})
    menu = await submit_step(hass, form, url=url)
    expect("sign_in" in menu.get("menu_options", ()), "the menu option sign_in", menu["type"])
    step = await submit_step(hass, menu, next_step_id="sign_in")
    expect(step["type"] == "external", "the relay's page in the browser", step["type"])
    return step


async def _approve(browser: Browser, hass: HassApi, url: str) -> None:
    """Approve on the relay's page, and check that it returns to Home Assistant."""
    name = (await hass.get("config"))["location_name"]
    await browser.open(url)
    heading = await browser.get_heading()
    expect(f"“{name}”" in heading, f"a heading with “{name}”", heading)
    page = await browser.submit_form(CONSENT)
    reached = urlsplit(page.url)._replace(query="").geturl()
    callback = f"{hass.url}{CALLBACK}"
    expect(
        (reached, page.status) == (callback, 200), f"{callback} to accept the redirect", f"{page.status} from {reached}"
    )


async def _is_loaded(hass: HassApi) -> bool:
    return [entry["state"] for entry in await list_entries(hass)] == ["loaded"]
