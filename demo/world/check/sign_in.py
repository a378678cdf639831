"""The account's owner signs in by the printed link, and lets Home Assistant in on the relay's page."""

from urllib.parse import urlsplit

from demo.world.browser.browser import Browser
from demo.world.browser.open_browser import open_browser
from demo.world.check.context import CheckContext, expect
from demo.world.config_flow import FLOW, list_entries, submit_step
from demo.world.hass_api import HassApi, Json
from demo.world.polling import poll_until

LINK, CONSENT, CALLBACK = "/sign-in/link/", "/oauth/authorize", "/auth/external/callback"
LOAD_SECONDS = 30.0


async def check_sign_in(bench: CheckContext) -> str:
    """The entry goes from its key to an account by the browser's way, and is loaded again."""
    hass, link = bench.world.home_assistant.api, await bench.world.relay.create_sign_in_link()
    async with open_browser() as browser:
        await _sign_in_by_link(browser, link)
        step = await _start_reconfigure(hass, bench.proxy.url)
        await _approve(browser, hass, step["url"])
        way = browser.description
    done = await hass.get(f"{FLOW}/{step['flow_id']}")
    expect(done.get("reason") == "reconfigure_successful", "reconfigure_successful", done.get("reason", done["type"]))
    loaded = await poll_until("the entry to be loaded", lambda: _is_loaded(hass), within=LOAD_SECONDS)
    return f"{way}; loaded {loaded:.1f} s after the owner agreed"


async def _sign_in_by_link(browser: Browser, link: str) -> None:
    """Sign in by a link that is good once."""
    await browser.open(link)
    await browser.submit_form(LINK)
    await browser.open(link)
    expect(not await browser.has_form(LINK), "a link that is good once", "it is good twice")


async def _start_reconfigure(hass: HassApi, url: str) -> Json:
    """Home Assistant's side, up to where it sends its user's browser to the relay's page."""
    (entry,) = await list_entries(hass)
    form = await hass.post(FLOW, {"handler": "evconduit", "entry_id": entry["entry_id"]})
    menu = await submit_step(hass, form, url=url)
    expect("sign_in" in menu.get("menu_options", ()), "a choice to sign in", menu["type"])
    step = await submit_step(hass, menu, next_step_id="sign_in")
    expect(step["type"] == "external", "the relay's page in the browser", step["type"])
    return step


async def _approve(browser: Browser, hass: HassApi, url: str) -> None:
    """Agree to what the relay's page asks, and be back at Home Assistant."""
    name = (await hass.get("config"))["location_name"]
    await browser.open(url)
    heading = await browser.get_heading()
    expect(f"“{name}”" in heading, f"to be asked about “{name}”", heading)
    place = await browser.submit_form(CONSENT)
    came_to = urlsplit(place.url)._replace(query="").geturl()
    back = f"{hass.url}{CALLBACK}"
    expect((came_to, place.status) == (back, 200), f"{back} to take the answer", f"{place.status} from {came_to}")


async def _is_loaded(hass: HassApi) -> bool:
    return [entry["state"] for entry in await list_entries(hass)] == ["loaded"]
